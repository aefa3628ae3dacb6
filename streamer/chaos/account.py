"""The sums of a row: what was sent against what a read_committed reader has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamer.chaos.notes import Load
from streamer.chaos.reader import Seen


@dataclass(frozen=True)
class Sent:
    """A message, where it lies on its topic (`partition/offset`), and since when (`time.monotonic`)."""

    load: Load
    place: str
    moment: float = 0.0

    @property
    def partition(self) -> str:
        return self.place.partition("/")[0]


@dataclass(frozen=True)
class Account:
    """`lost`: in neither topic. `duplicates`: second records. `dead_letters`: with exactly the reason named.

    `misjudged`: dead letters of another reason or of notes that must not be, and records of those that must.
    `compared`, `unequal`: records held against those of an undisturbed run.
    """

    notes: int
    lost: int
    duplicates: int
    dead_letters: int
    misjudged: int
    order_kept: bool
    compared: int
    unequal: int

    @property
    def faults(self) -> list[str]:
        """What must not be, in words; empty: all is well."""
        said = {
            f"{self.lost} of {self.notes} notes lost": self.lost,
            f"{self.duplicates} duplicates": self.duplicates,
            f"{self.misjudged} notes became what they must not": self.misjudged,
            "a key's notes came out of order": not self.order_kept,
            f"{self.unequal} records differ from an undisturbed run": self.unequal,
        }
        return [words for words, is_so in said.items() if is_so]


def account(sent: Sequence[Sent], seen: Seen, expected: Mapping[str, Any] | None = None) -> Account:
    """`expected`: of texts, their records' `shape` in an undisturbed run; None: none is compared."""
    lost = duplicates = dead = misjudged = compared = unequal = 0
    for own in sent:
        out, letter = seen.times[own.load.id], seen.times[own.place]
        lost += not out and not letter
        duplicates += max(0, out + letter - 1)
        if letter:
            right = own.load.reason is not None and seen.reasons.get(own.place) == own.load.reason
            dead, misjudged = dead + right, misjudged + (not right)
        elif out and own.load.reason is not None:
            misjudged += 1
        elif out and expected is not None and own.load.text is not None and own.load.text in expected:
            compared += 1
            unequal += shape(seen.records[own.load.id]) != expected[own.load.text]
    return Account(
        len(sent), lost, duplicates, dead, misjudged, in_order(sent, seen), compared, unequal
    )  # fmt: skip


def in_order(sent: Sequence[Sent], seen: Seen) -> bool:
    """Whether every key's notes came out in the order in which they lay on their partition."""
    lay = {own.load.id: _numbers(own.place) for own in sent}
    for notes in seen.order.values():
        lies = [lay[note] for note in notes if note in lay]
        if lies != sorted(lies):
            return False
    return True


def _numbers(place: str) -> tuple[int, int]:
    partition, _, offset = place.partition("/")
    return int(partition), int(offset)


def shape(value: bytes | None) -> Any:
    """What a record says of its text alone: without timings and the document's id, other ids as numbers."""
    record: dict[str, Any] = json.loads(value or b"{}")
    ids = [
        one["id"] for kind in ("entities", "relations", "phi") for one in record.get(kind, ()) if "id" in one
    ]
    for one in ("timings", "id"):
        record.pop(one, None)
    record.get("document", {}).pop("id", None)
    text = json.dumps(record, sort_keys=True)
    for number, one in enumerate(ids):
        text = text.replace(one, f"#{number}")
    return text


def longest_pause(seen: Seen, sent: Sequence[Sent], since: float) -> float:
    """Seconds that a partition with notes waiting gave none, at most, from `since` on."""
    longest, last = 0.0, dict.fromkeys((own.partition for own in sent), since)
    for moment, own in sorted(_came_out(seen, sent), key=lambda one: one[0]):
        if moment >= since:
            longest = max(longest, moment - max(last[own.partition], own.moment))
            last[own.partition] = moment
    return longest


def _came_out(seen: Seen, sent: Sequence[Sent]) -> Iterator[tuple[float, Sent]]:
    for own in sent:
        for name in (own.load.id, own.place):
            if name in seen.moments:
                yield seen.moments[name], own
