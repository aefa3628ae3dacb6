"""What comes from Kafka and what goes back: records, headers, dead letters.

Header names: CloudEvents' Kafka binary binding (1.0.2) for records, Kafka Connect's for dead letters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from streamer.errors import NoteError

Headers = tuple[tuple[str, bytes], ...]

VERSION = version("streamer")
CE_TYPE = b"org.streamer.annotation.v1"
CE_EMBEDDING = b"org.streamer.embedding.v1"
OUR_HEADERS = frozenset({"content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"})
LANE_HEADER = "streamer-lane"
EXPLAIN_HEADER = "streamer-explain"
LAST_MOMENT = 253_402_300_800_000  # the year 10000, in milliseconds


@dataclass(frozen=True, slots=True)
class Incoming:
    """One Kafka record as it came. `timestamp`: milliseconds since 1970, or -1."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False, default=())

    @property
    def place(self) -> str:
        """`topic/partition/offset`: names the record without saying anything of its content."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def header(self, name: str) -> bytes | None:
        """The last header of that name, as Kafka's own `lastHeader` has it; names ignore case."""
        for key, value in reversed(self.headers):
            if key.lower() == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One Kafka record to publish; `partition` None leaves the choice to the key's hash."""

    topic: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False, default=())
    partition: int | None = None
    reason: str | None = None
    """Why this is a dead letter; None: it is not."""
    beside: Outgoing | None = field(repr=False, default=None)
    """Goes out with it, or neither does."""


def annotation(
    incoming: Incoming, topic: str, record: bytes, record_id: str, kind: bytes = CE_TYPE
) -> Outgoing:
    """The record that answers a note: same key, the producer's headers, CloudEvents' beside them.

    `ce_time` is when the note was put on its topic, so that a note read twice gives the same headers;
    it is left out where that is unknown or beyond the calendar.
    """
    kept = tuple((k, v) for k, v in incoming.headers if k.lower() not in OUR_HEADERS)
    ours = (
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", record_id.encode()),
        ("ce_source", f"/streamer/{incoming.topic}/{incoming.partition}".encode()),
        ("ce_type", kind),
    )
    return Outgoing(topic, incoming.key, record, kept + ours + _ce_time(incoming.timestamp))


def _ce_time(milliseconds: int) -> Headers:
    if not 0 <= milliseconds < LAST_MOMENT:
        return ()
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return (("ce_time", moment.replace("+00:00", "Z").encode()),)


def tombstone(incoming: Incoming, topic: str) -> Outgoing:
    """A null value passes through: it deletes the key in a compacted topic."""
    return Outgoing(topic, incoming.key, None, incoming.headers)


def dead_letter(incoming: Incoming, topic: str, error: NoteError, attempts: int = 1) -> Outgoing:
    """The note as it came, with headers that say where from and why; never the exception's own text.

    A message that is too large is not carried along: the headers name its topic, partition and offset.
    """
    ours = (
        ("__connect.errors.topic", incoming.topic.encode()),
        ("__connect.errors.partition", str(incoming.partition).encode()),
        ("__connect.errors.offset", str(incoming.offset).encode()),
        ("__connect.errors.connector.name", b"streamer"),
        ("__connect.errors.stage", error.stage.encode()),
        ("__connect.errors.class.name", b"streamer.pipeline.Pipeline"),
        ("__connect.errors.exception.class.name", b"streamer.errors.NoteError"),
        ("__connect.errors.exception.message", str(error).encode()),
        ("streamer-reason", error.reason.encode()),
        ("streamer-attempts", str(attempts).encode()),
        ("streamer-version", VERSION.encode()),
    )
    by_reference = error.reason == "too-large"
    return Outgoing(
        topic,
        incoming.key,
        None if by_reference else incoming.value,
        ours if by_reference else incoming.headers + ours,
        incoming.partition,
        error.reason,
    )


def size(incoming: Incoming) -> tuple[int, int]:
    """Bytes of the value, and of key and headers together."""
    headers = sum(len(k) + len(v or b"") for k, v in incoming.headers)
    return len(incoming.value or b""), len(incoming.key or b"") + headers
