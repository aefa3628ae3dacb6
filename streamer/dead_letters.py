"""Dead letters as an operator meets them: which there are, what mends them, and the way back of their notes.

`streamer.topics.dead_letter` writes them. A note that is sent back is as its producer sent it, with two more
headers: `streamer-place`, where it lay at first, and `streamer-attempts`, which attempt this is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from streamer.errors import REASONS, SettingError
from streamer.topics import Headers, Incoming, Outgoing

PLACE_HEADER, ATTEMPTS_HEADER = "streamer-place", "streamer-attempts"
CONNECT = "__connect.errors."
ADDED = frozenset(
    {CONNECT + part for part in ("topic", "partition", "offset", "connector.name", "stage", "class.name")}
    | {CONNECT + part for part in ("exception.class.name", "exception.message")}
    | {"streamer-reason", "streamer-version"}
)
"""Headers that a dead letter has once more than its note had; `streamer-attempts` beside them."""

REMEDIES: Mapping[str, str] = {
    "empty": "Ask the sender why it sends messages without bytes; sent back, it fails again.",
    "not-utf8": "Ask the sender for UTF-8; the corrected note is a new message.",
    "json-invalid": "Ask the sender for whole, valid JSON; the corrected note is a new message.",
    "schema-invalid": "Ask the sender to keep to streamer/schemas; if this version reads it now, replay.",
    "unknown-format": "Ask the sender to name a known content type; if a format was added since, replay.",
    "no-text": "Ask the sender why the note has no text; if a format reads it now, replay.",
    "too-large": "Raise STREAMER_MAX_NOTE_BYTES and restart the workers, then replay while the input topic "
    "still holds the note; a note with 256 kB of headers or key stays too large.",
    "model-non-finite": "Check the checkpoint and the device (another precision, another card), then replay.",
    "device-out-of-memory": "Give the engine a device with more free memory, restart it, then replay.",
    "output-too-large": "Raise max.message.bytes of the output topic and STREAMER_MAX_RECORD_BYTES, restart "
    "the workers, then replay.",
}
"""What to do about each reason."""
FAMILIES = ("hl7-", "fhir-", "xml-")
FAMILY_REMEDY = "Ask the sender for a valid message of that format; if this version reads it now, replay."
UNKNOWN_REMEDY = "A reason of another version: see the documentation of the version that wrote it."

_PLACE = re.compile(r"([A-Za-z0-9._-]{1,249})/([0-9]{1,10})/([0-9]{1,19})")
_REASON = re.compile(r"[a-z0-9-]{1,40}")
_WORD = re.compile(r"[A-Za-z0-9._+-]{1,40}")
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Place(NamedTuple):
    """Where a record lies; its text form names it without saying anything of its content."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of `topic/partition/offset`; raises SettingError."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise SettingError("a place is topic/partition/offset, as `streamer dlq ls` shows it")
        return cls(found[1], int(found[2]), int(found[3]))


class Names(NamedTuple):
    """A dead letter and its note, by their places alone."""

    dead_letter: Place
    note: Place


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter of this service. `at`: when it was written, milliseconds since 1970, or -1."""

    place: Place
    at: int
    reason: str
    stage: str
    origin: Place
    """Where its note lay."""
    attempts: int
    """How often the note was tried."""
    version: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)

    @property
    def names(self) -> Names:
        return Names(self.place, self.origin)

    @property
    def by_reference(self) -> bool:
        """Whether it only names its note, which has to be read from `origin`."""
        return not self.value and self.reason != "empty"

    @property
    def producers(self) -> Headers:
        """The headers that the note came with, as far as the dead letter has them."""
        return _without_ours(self.headers)


def read(record: Incoming) -> DeadLetter | None:
    """None: not written by this service. What stands in it is believed only where it has the known shape."""
    ours = {name: value or b"" for name, value in record.headers if name in ADDED}

    def said(name: str, shape: re.Pattern[str]) -> str | None:
        text = ours.get(name, b"").decode("latin-1")
        return text if shape.fullmatch(text) else None

    named = (ours.get(CONNECT + part, b"").decode("latin-1") for part in ("topic", "partition", "offset"))
    origin = _PLACE.fullmatch("/".join(named))
    reason = said("streamer-reason", _REASON)
    if origin is None or reason is None:
        return None
    return DeadLetter(
        place=Place(record.topic, record.partition, record.offset),
        at=record.timestamp,
        reason=reason,
        stage=said(CONNECT + "stage", _WORD) or "unknown",
        origin=Place(origin[1], int(origin[2]), int(origin[3])),
        attempts=attempts(record.headers),
        version=said("streamer-version", _WORD) or "unknown",
        key=record.key,
        value=record.value,
        headers=record.headers,
    )


def attempts(headers: Headers) -> int:
    """The highest attempt that the headers name; 1 where they name none."""
    named = [value or b"" for name, value in headers if name == ATTEMPTS_HEADER]
    return max([1, *(int(value) for value in named if value.isdigit() and len(value) < 7)])


def returned(letter: DeadLetter, original: Incoming | None = None) -> Outgoing:
    """The note for its topic again: key, value, partition number and the producer's headers as they were.

    `original`: the message itself, for a dead letter that is only a reference.
    """
    note: DeadLetter | Incoming = letter
    kept, tried = letter.producers, letter.attempts
    if original is not None:
        note, tried = original, max(letter.attempts, attempts(original.headers))
        kept = tuple(header for header in original.headers if header[0] != ATTEMPTS_HEADER)
    first: Headers = () if _has_place(kept) else ((PLACE_HEADER, str(letter.origin).encode()),)
    attempt: Headers = ((ATTEMPTS_HEADER, b"%d" % (tried + 1)),)
    return Outgoing(
        letter.origin.topic, note.key, note.value, kept + first + attempt, letter.origin.partition
    )


def _has_place(headers: Headers) -> bool:
    return any(name == PLACE_HEADER for name, _ in headers)


def _without_ours(headers: Headers) -> Headers:
    """The last header of each name of ours goes: one before it is the producer's own."""
    kept: list[tuple[str, bytes]] = []
    gone: set[str] = set()
    for name, value in reversed(headers):
        if name == ATTEMPTS_HEADER:
            continue
        if name in ADDED and name not in gone:
            gone.add(name)
            continue
        kept.append((name, value))
    return tuple(reversed(kept))


def remedy(reason: str) -> str:
    """What to do about a reason, in one sentence or two."""
    return REMEDIES.get(reason) or (FAMILY_REMEDY if reason.startswith(FAMILIES) else UNKNOWN_REMEDY)


# --- which of them -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant; an empty set means any. Milliseconds since 1970, `until` exclusive."""

    reasons: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()
    since: int | None = None
    until: int | None = None

    @property
    def everything(self) -> bool:
        return self == Choice()

    def has(self, letter: DeadLetter) -> bool:
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.places or letter.place in self.places)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or 0 <= letter.at < self.until)
        )


def chosen(
    reasons: Iterable[str] = (),
    since: str | None = None,
    until: str | None = None,
    places: Iterable[str] = (),
    now: datetime | None = None,
) -> Choice:
    """From what was said on the command line; raises SettingError for what means nothing."""
    named = frozenset(reasons)
    unknown = sorted(reason for reason in named - REASONS.keys() if not reason.startswith(FAMILIES))
    if unknown:
        raise SettingError(f"no such reason: {unknown[0]}; the reasons are {', '.join(REASONS)}")
    now = now or datetime.now(UTC)
    choice = Choice(
        named,
        frozenset(Place.parse(place) for place in places),
        None if since is None else moment("--since", since, now),
        None if until is None else moment("--until", until, now),
    )
    if choice.since is not None and choice.until is not None and choice.since >= choice.until:
        raise SettingError("--since is not before --until: nothing lies between them")
    return choice


def moment(option: str, text: str, now: datetime) -> int:
    """Milliseconds since 1970 of a point in time, UTC where it names no zone, or of `6h` before `now`."""
    try:
        if ago := _AGO.fullmatch(text):
            then = now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        else:
            then = datetime.fromisoformat(text)
        return max(0, round((then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise SettingError(
            f"{option} takes a time such as 2026-01-31T14:00 (UTC), or how long ago: 30m, 6h, 7d"
        ) from None
