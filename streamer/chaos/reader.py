"""What a read_committed reader sees of output and dead-letter topics: every id, how often, in what order."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer

from streamer.chaos.places import Topics
from streamer.chaos.waiting import NotInTime

Name = Callable[[Any], str]
"""Gives the id of a record's note."""


@dataclass
class Seen:
    """Records as they came; `moments`: when each note's first was read, by `time.monotonic`."""

    records: dict[str, bytes | None] = field(default_factory=dict)
    headers: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    order: dict[bytes | None, list[str]] = field(default_factory=dict)
    moments: dict[str, float] = field(default_factory=dict)

    @property
    def twice(self) -> list[str]:
        return [note for note, times in self.times.items() if times > 1]


class Reader:
    """Reads both topics from the beginning on a thread of its own."""

    def __init__(self, at: Topics, name: Name) -> None:
        self.seen = Seen()
        self._at, self._name = at, name
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, count: int, patience_s: float = 150.0) -> Seen:
        """Returns when `count` notes were seen; raises NotInTime when none comes for `patience_s`."""
        return self._wait_for(count, lambda: len(self.seen.times), patience_s)

    def wait_for_records(self, count: int, patience_s: float = 150.0) -> Seen:
        """As `wait_for`; a note that comes twice counts twice."""
        return self._wait_for(count, self.seen.times.total, patience_s)

    def _wait_for(self, count: int, come: Callable[[], int], patience_s: float) -> Seen:
        with self._changed:
            while (before := come()) < count:
                self._changed.wait_for(lambda b=before: come() > b or self._error, patience_s)  # type: ignore[misc]
                if self._error:
                    raise self._error
                if come() <= before:
                    raise NotInTime(f"{before} of {count} notes came out, and no more for {patience_s:.0f} s")
        return self.seen

    def wait_for_the_rest(self, count: int, quiet_s: float = 2.0, patience_s: float = 150.0) -> Seen:
        """As `wait_for`, and then as long as anything still comes: what comes twice must show."""
        self.wait_for(count, patience_s)
        with self._changed:
            while True:
                before = self.seen.times.total()
                if not self._changed.wait_for(lambda b=before: self.seen.times.total() > b, quiet_s):  # type: ignore[misc]
                    return self.seen

    def _run(self) -> None:
        consumer = KafkaConsumer(
            self._at.output,
            self._at.dead_letters,
            bootstrap_servers=self._at.bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            reconnect_backoff_max_ms=500,  # a broker that is back is asked at once: a pause is the service's
        )
        try:
            while not self._over.is_set():
                fetched = consumer.poll(timeout_ms=100, max_records=5000)
                if fetched:
                    with self._changed:
                        for records in fetched.values():
                            for record in records:
                                self._enter(record)
                        self._changed.notify_all()
        except Exception as error:  # for whoever waits
            self._error = error
            with self._changed:
                self._changed.notify_all()
        finally:
            consumer.close()

    def _enter(self, record: Any) -> None:
        note = self._name(record)
        seen = self.seen
        seen.times[note] += 1
        if seen.times[note] > 1:
            return
        seen.moments[note] = time.monotonic()
        seen.records[note], seen.headers[note] = record.value, list(record.headers)
        reason = dict(record.headers).get("streamer-reason")
        if reason is not None:
            seen.reasons[note] = reason.decode()
        seen.order.setdefault(record.key, []).append(note)


def by_value(record: Any) -> str:
    return str(record.value.decode())


def by_document(record: Any) -> str:
    """The note's id in an annotation record; partition and offset of the note for a dead letter."""
    return place(record) or str(json.loads(record.value)["document"]["id"])


def place(record: Any) -> str | None:
    """Partition and offset of a dead letter's note; None for what is no dead letter."""
    headers = dict(record.headers)
    if "streamer-reason" not in headers:
        return None
    return "/".join(headers[f"__connect.errors.{part}"].decode() for part in ("partition", "offset"))


def without_timings(value: bytes | None) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(value or b"{}")
    record.pop("timings", None)
    return record
