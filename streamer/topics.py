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
OUR_HEADERS = frozenset({"content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"})
LANE_HEADER = "streamer-lane"
BY_REFERENCE_ABOVE = 1_000_000
"""Bytes above which a dead letter names where its message lies instead of carrying it."""


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


def annotation(incoming: Incoming, topic: str, record: bytes, record_id: str, at: datetime) -> Outgoing:
    """The record that answers a note: same key, the producer's headers, CloudEvents' beside them."""
    kept = tuple((k, v) for k, v in incoming.headers if k.lower() not in OUR_HEADERS)
    ours = (
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", record_id.encode()),
        ("ce_source", f"/streamer/{incoming.topic}/{incoming.partition}".encode()),
        ("ce_type", CE_TYPE),
        ("ce_time", at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()),
    )
    return Outgoing(topic, incoming.key, record, kept + ours)


def tombstone(incoming: Incoming, topic: str) -> Outgoing:
    """A null value passes through: it deletes the key in a compacted topic."""
    return Outgoing(topic, incoming.key, None, incoming.headers)


def dead_letter(incoming: Incoming, topic: str, error: NoteError, attempts: int = 1) -> Outgoing:
    """The note as it came, with headers that say where from and why; never the exception's own text.

    A message above `BY_REFERENCE_ABOVE` bytes is not carried: its topic, partition and offset are.
    """
    too_big = _size(incoming) > BY_REFERENCE_ABOVE
    headers = (
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
    return Outgoing(
        topic,
        None if too_big and len(incoming.key or b"") > BY_REFERENCE_ABOVE else incoming.key,
        None if too_big else incoming.value,
        headers if too_big else incoming.headers + headers,
        incoming.partition,
        error.reason,
    )


def _size(incoming: Incoming) -> int:
    headers = sum(len(k) + len(v or b"") for k, v in incoming.headers)
    return len(incoming.key or b"") + len(incoming.value or b"") + headers
