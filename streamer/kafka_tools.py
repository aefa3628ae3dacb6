"""What an operator does with Kafka: send notes, watch a topic, make and check topics."""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from kafka import TopicPartition, errors

from streamer.errors import SettingError, TopicMissing, WorldError
from streamer.kafka_clients import admin_for, consumer_for, kafka_errors, producer_for
from streamer.settings import Settings
from streamer.topic_admin import check_topics, create_topics
from streamer.topics import Headers

__all__ = ["Record", "check_topics", "create_topics", "line", "produced_at_ms", "send", "tail"]

IN_FLIGHT = 2_000

Count = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record as a reader sees it. `timestamp`: milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)


# --- send ----------------------------------------------------------------------------------------


def send(files: Iterable[Path], settings: Settings, progress: Count | None = None) -> int:
    """Produce every note of `files` to the input topic; gives how many the brokers acknowledged: all.

    `.jsonl` and `.ndjson` hold a JSON note a line (`.gz` too), `.json` one, any other file is a plain-text
    note. A note's `patientKey` becomes the record's key. `progress` hears the count so far. Raises
    SettingError (a file cannot be read) or WorldError (not all were acknowledged) in one line.
    """
    with kafka_errors(settings), admin_for(settings) as admin:
        if settings.input_topic not in admin.list_topics():
            raise TopicMissing([settings.input_topic])
    with kafka_errors(settings), producer_for(settings) as producer:
        flight = _Flight(progress)
        for place, value, headers, key in notes_of(files):
            try:
                flight.add(producer.send(settings.input_topic, value=value, key=key, headers=headers))
            except errors.MessageSizeTooLargeError:
                raise WorldError(
                    f"{place} has {len(value)} bytes, more than max_record_bytes "
                    f"({settings.max_record_bytes}); the notes before it were sent"
                ) from None
        flight.land()
        return flight.sent


class _Flight:
    """Sends under way, so many at most; every one is looked at."""

    def __init__(self, progress: Count | None) -> None:
        self._futures: list[Any] = []
        self._progress = progress
        self.sent = 0

    def add(self, future: Any) -> None:
        self._futures.append(future)
        if len(self._futures) >= IN_FLIGHT:
            self.land()

    def land(self) -> None:
        for future in self._futures:
            future.get(timeout=120)
            self.sent += 1
        self._futures.clear()
        if self._progress:
            self._progress(self.sent)


def notes_of(files: Iterable[Path]) -> Iterator[tuple[str, bytes, list[tuple[str, bytes]], bytes | None]]:
    json_type, text_type = [("content-type", b"application/json")], [("content-type", b"text/plain")]
    for file in files:
        name = file.name.lower().removesuffix(".gz")
        content = _content(file)
        if name.endswith((".jsonl", ".ndjson")):
            for number, line in enumerate(content.split(b"\n"), start=1):
                if line.strip():
                    yield f"{file} line {number}", line, json_type, _patient_key(line)
        elif name.endswith(".json"):
            yield str(file), content, json_type, _patient_key(content)
        else:
            yield str(file), content, text_type, None


def _content(file: Path) -> bytes:
    try:
        return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "not a gzip file"
        raise SettingError(f"{file} cannot be read: {reason}") from None


class _Keyed(msgspec.Struct, rename="camel"):
    patient_key: str | None = None


def _patient_key(note: bytes) -> bytes | None:
    """None too for what is no note: that is sent as it is, and the service says what is wrong with it."""
    with suppress(msgspec.MsgspecError, UnicodeError):
        key = msgspec.json.decode(note, type=_Keyed).patient_key
        return None if key is None else key.encode()
    return None


# --- tail ----------------------------------------------------------------------------------------


def tail(topic: str, settings: Settings, from_beginning: bool = False) -> Iterator[Record]:
    """Committed records of a topic as they come, without end; joins no group. Raises in one line."""
    with kafka_errors(settings), consumer_for(settings) as consumer:
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise SettingError(f"no topic {topic} at {settings.bootstrap}: check its name")
        assigned = [TopicPartition(topic, number) for number in sorted(partitions)]
        consumer.assign(assigned)
        (consumer.seek_to_beginning if from_beginning else consumer.seek_to_end)(*assigned)
        for partition in assigned:
            consumer.position(partition)  # fixes where "the end" is before the first record is asked for
        while True:
            for records in consumer.poll(timeout_ms=500).values():
                for r in records:
                    headers = tuple((name, value or b"") for name, value in r.headers)
                    yield Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, headers)


def line(record: Record) -> str:
    """A record as one line of JSON; a JSON value as it is, other text as a string, other bytes as base64."""
    shown: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
        "value": _text(record.value),
    }
    with suppress(msgspec.MsgspecError, RecursionError):
        if record.value is not None:
            shown["value"] = msgspec.Raw(msgspec.json.format(record.value, indent=-1))
    return msgspec.json.encode(shown).decode()


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def produced_at_ms(headers: Mapping[str, bytes]) -> float:
    """When the note that this record answers was put on its topic (`ce_time`); now, where it is not said."""
    try:
        return datetime.fromisoformat(headers["ce_time"].decode()).timestamp() * 1000
    except (KeyError, ValueError):
        return time.time() * 1000
