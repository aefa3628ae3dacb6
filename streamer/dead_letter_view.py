"""Dead letters for people and scripts: how many of what, when and where, and one in full.

Nothing of a note is in it: no text, no key, no header of its producer, but sizes. `text` alone shows a note.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table

from streamer.dead_letters import DeadLetter, remedy
from streamer.errors import REASONS
from streamer.returns import Outcome
from streamer.topics import LAST_MOMENT

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MOST = 20
"""Lines of single dead letters, and of hours or days, that a person is shown."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Listed:
    """What `ls` keeps of a dead letter. `sent_back`: whether its note was."""

    place: str
    origin: str
    at: int
    reason: str
    attempts: int
    value_bytes: int
    sent_back: bool


def listed(letter: DeadLetter, sent_back: bool) -> Listed:
    return Listed(
        str(letter.place),
        str(letter.origin),
        letter.at,
        letter.reason,
        letter.attempts,
        len(letter.value or b""),
        sent_back,
    )


def when(milliseconds: int) -> str:
    """A moment in UTC, to the second; `UNKNOWN` for one beyond the calendar."""
    if not 0 <= milliseconds < LAST_MOMENT:
        return UNKNOWN
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- ls ------------------------------------------------------------------------------------------


def summary(topic: str, letters: Sequence[Listed], foreign: int) -> dict[str, Any]:
    """As JSON: counts by reason, hour or day, and partition, and every place."""
    return {
        "topic": topic,
        "deadLetters": len(letters),
        "waiting": sum(not own.sent_back for own in letters),
        "foreign": foreign,
        "reasons": [
            {"reason": reason, "deadLetters": len(own), "waiting": sum(not one.sent_back for one in own),
             "first": when(min(one.at for one in own)), "last": when(max(one.at for one in own))}
            for reason, own in _by_reason(letters).items()
        ],
        "times": [{"from": start, "reasons": dict(own)} for start, own in _by_time(letters).items()],
        "partitions": [{"partition": own, "deadLetters": count} for own, count in _by_partition(letters)],
        "places": [
            {"place": own.place, "note": own.origin, "at": when(own.at), "reason": own.reason,
             "attempts": own.attempts, "valueBytes": own.value_bytes, "sentBack": own.sent_back}
            for own in letters
        ],
    }  # fmt: skip


def tables(topic: str, letters: Sequence[Listed], foreign: int) -> RenderableType:
    """The same for a person, of places the last few."""
    waiting = sum(not own.sent_back for own in letters)
    first = (
        f"{topic}: {len(letters)} dead letters, {waiting} waiting, {len(letters) - waiting} sent back before"
    )
    if foreign:
        first += f", and {foreign} records that are no dead letters of this service"
    if not letters:
        return first
    reasons = _table("reason", "dead letters", "waiting", "first", "last")
    for reason, group in _by_reason(letters).items():
        left = sum(not own.sent_back for own in group)
        times = (when(min(own.at for own in group)), when(max(own.at for own in group)))
        reasons.add_row(reason, str(len(group)), str(left), *times)
    times_table = _table("from", "dead letters", "reasons")
    by_time = _by_time(letters)
    for start, counts in list(by_time.items())[-MOST:]:
        times_table.add_row(start, str(counts.total()), _counts(counts))
    places = _table("place", "of note", "when", "reason", "attempts", "bytes", "")
    for own in sorted(letters, key=lambda own: own.at)[-MOST:]:
        state = "sent back" if own.sent_back else ""
        size = str(own.value_bytes)
        places.add_row(own.place, own.origin, when(own.at), own.reason, str(own.attempts), size, state)
    parts: list[RenderableType] = [first, "", reasons, "", times_table, "", places]
    if len(letters) > MOST:
        parts.append(f"the last {MOST} of {len(letters)}; all: --json")
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        numbers = column in ("dead letters", "waiting", "attempts", "bytes")
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    return table


def _by_reason(letters: Iterable[Listed]) -> Mapping[str, list[Listed]]:
    """Most frequent first."""
    found: dict[str, list[Listed]] = {}
    for own in letters:
        found.setdefault(own.reason, []).append(own)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _by_time(letters: Sequence[Listed]) -> Mapping[str, Counter[str]]:
    """By hours; by days where they lie more than two days apart. Earliest first."""
    known = [own.at for own in letters if own.at >= 0]
    step = DAY_MS if known and max(known) - min(known) > 2 * DAY_MS else HOUR_MS
    found: dict[str, Counter[str]] = {}
    for own in sorted(letters, key=lambda own: own.at):
        start = when(own.at // step * step if own.at >= 0 else -1)
        found.setdefault(start, Counter())[own.reason] += 1
    return found


def _by_partition(letters: Iterable[Listed]) -> list[tuple[int, int]]:
    return sorted(Counter(int(own.place.split("/")[1]) for own in letters).items())


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count}" for reason, count in ordered)


# --- show ----------------------------------------------------------------------------------------


def shown(letter: DeadLetter, sent_back: bool, there: bool) -> dict[str, Any]:
    """As JSON. `there`: whether the note itself can still be had."""
    producers = letter.producers
    return {
        "place": str(letter.place),
        "at": when(letter.at),
        "reason": letter.reason,
        "means": REASONS.get(letter.reason, UNKNOWN),
        "do": remedy(letter.reason),
        "stage": letter.stage,
        "note": str(letter.origin),
        "attempts": letter.attempts,
        "version": letter.version,
        "sentBack": sent_back,
        "byReference": letter.by_reference,
        "noteThere": there,
        "keyBytes": None if letter.key is None else len(letter.key),
        "valueBytes": None if letter.value is None else len(letter.value),
        "headers": len(producers),
        "headerBytes": sum(len(name.encode()) + len(value or b"") for name, value in producers),
    }


def sheet(facts: Mapping[str, Any]) -> RenderableType:
    """`shown` for a person."""
    table = Table(box=None, pad_edge=False, show_header=False)
    lies = "in the dead letter"
    if facts["byReference"]:
        lies = "only named here; still on its topic" if facts["noteThere"] else "only named here, and gone"
    sizes = (
        f"key {_size(facts['keyBytes'])}, value {_size(facts['valueBytes'])}, "
        f"{facts['headers']} headers of its producer {_size(facts['headerBytes'])}"
    )
    for name, value in (
        ("dead letter", facts["place"]),
        ("written", facts["at"]),
        ("reason", facts["reason"]),
        ("means", facts["means"]),
        ("do", facts["do"]),
        ("note", f"{facts['note']}, {lies}"),
        ("attempts", f"{facts['attempts']}{', sent back since' if facts['sentBack'] else ''}"),
        ("stage", f"{facts['stage']}, version {facts['version']}"),
        ("sizes", sizes),
    ):
        table.add_row(name, value)
    return table


def _size(count: int | None) -> str:
    return "none" if count is None else f"{count} bytes"


def text(letter: DeadLetter, value: bytes | None) -> str:
    """The note's text, key and headers. Nothing in it can steer a terminal."""
    lines = [f"key: {_plain(letter.key)}"]
    lines += [f"header {_harmless(name)}: {_plain(content)}" for name, content in letter.producers]
    return "\n".join([*lines, "", _plain(value)])


def _plain(content: bytes | None) -> str:
    return "none" if content is None else _harmless(content.decode(errors="replace"))


def _harmless(content: str) -> str:
    """Control, format and surrogate characters become U+FFFD; line ends and tabs stay."""
    return "".join(
        character if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs") else "�"
        for character in content.replace("\r\n", "\n")
    )


# --- replay --------------------------------------------------------------------------------------


def report(outcome: Outcome, dry_run: bool) -> dict[str, Any]:
    """As JSON."""
    return {
        "dryRun": dry_run,
        "sent": outcome.sent.total(),
        "reasons": dict(outcome.sent),
        "already": outcome.already,
        "gone": [{"deadLetter": str(own.dead_letter), "note": str(own.note)} for own in outcome.gone],
        "refused": [{"deadLetter": str(own.dead_letter), "note": str(own.note)} for own in outcome.refused],
        "foreign": outcome.foreign,
        "retries": outcome.retries,
    }


def told(outcome: Outcome, dry_run: bool) -> str:
    """For a person: what was done, and each that could not be."""
    line = f"{'would send' if dry_run else 'sent'} back {outcome.sent.total()} notes"
    if outcome.sent:
        line += f" ({_counts(outcome.sent)})"
    lines = [f"{line}; {outcome.already} were sent back before"]
    lines += [f"gone: {own.note}, which {own.dead_letter} only names" for own in outcome.gone]
    lines += [f"larger than its topic takes now: {own.note}, of {own.dead_letter}" for own in outcome.refused]
    return "\n".join(lines)


def console() -> Console:
    """Lines are never broken: a place has to be copied whole."""
    return Console(soft_wrap=True, highlight=False, markup=False)
