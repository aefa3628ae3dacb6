"""Load on a running node: notes into the input topic, records out of the output topic, and when each came."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import Any, Protocol, Self

from kafka import KafkaProducer, TopicPartition

from streamer import kafka_clients
from streamer.bench_notes import BenchNote
from streamer.errors import WorldError
from streamer.settings import Settings

PATIENCE_S = 120.0
"""So long without any record, and the node is given up."""
POLL_MS = 200


class Topic(Protocol):
    """What is between the load and the service; `KafkaTopic`, or a fake."""

    def put(self, note: BenchNote) -> None: ...
    def flush(self) -> None: ...
    def answered(self, within_ms: int) -> list[str]:
        """Ids of the notes whose records came meanwhile; raises WorldError for a dead letter."""
        ...


class KafkaTopic:
    """The service's topics, from their beginning. Use it in a `with` statement."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = KafkaProducer(**kafka_clients.options(settings), acks="all", linger_ms=0)
        self._consuming = kafka_clients.consumer_for(settings)
        self._consumer: Any = None

    def __enter__(self) -> Self:
        self._consumer = self._consuming.__enter__()
        topics = (self._settings.output_topic, self._settings.dead_letter_topic)
        parts = [TopicPartition(t, p) for t in topics for p in self._consumer.partitions_for_topic(t) or ()]
        self._consumer.assign(parts)
        self._consumer.seek_to_beginning(*parts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consuming.__exit__(kind, error, trace)
        self._producer.close()

    def put(self, note: BenchNote) -> None:
        self._producer.send(self._settings.input_topic, value=note.value, key=note.id.encode())

    def flush(self) -> None:
        self._producer.flush()

    def answered(self, within_ms: int) -> list[str]:
        found: list[str] = []
        for records in self._consumer.poll(timeout_ms=within_ms).values():
            for record in records:
                if record.topic == self._settings.dead_letter_topic:
                    raise WorldError(f"a note of the benchmark became a dead letter: {_reason(record)}")
                found.append(record.key.decode())
        return found


def _reason(record: Any) -> str:
    return bytes(dict(record.headers).get("streamer-reason", b"unknown")).decode()


class Traffic:
    """Sends notes through a topic and waits for every answer. `alive`: whether the node still runs."""

    def __init__(
        self,
        topic: Topic,
        alive: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._topic, self._alive, self._clock = topic, alive, clock

    def flood(self, notes: Sequence[BenchNote]) -> float:
        """All notes at once; seconds from the first byte sent to the last record that was read."""
        begun = self._clock()
        for note in notes:
            self._topic.put(note)
        self._topic.flush()
        waiting = {note.id for note in notes}
        heard = self._clock()
        while waiting:
            came = waiting.intersection(self._topic.answered(POLL_MS))
            waiting -= came
            heard = self._heard(heard, bool(came))
        return self._clock() - begun

    def offer(self, notes: Sequence[BenchNote], per_second: float, seed: int = 0) -> list[float]:
        """Notes at random (Poisson) times, so many a second on average, whatever comes back meanwhile.

        Milliseconds of each, from the time it was due to the time its record was read: a late sender's
        delay counts.
        """
        chance = Random(seed)
        due_at: dict[str, float] = {}
        latencies: list[float] = []
        heard = due = self._clock()
        queue = list(reversed(notes))
        while queue or due_at:
            now = self._clock()
            while queue and due <= now:
                note = queue.pop()
                self._topic.put(note)
                due_at[note.id] = due
                due += chance.expovariate(per_second)
            wait_ms = min(POLL_MS, max(1, int((due - self._clock()) * 1000))) if queue else POLL_MS
            came = [number for number in self._topic.answered(wait_ms) if number in due_at]
            now = self._clock()
            latencies += [(now - due_at.pop(number)) * 1000 for number in came]
            heard = self._heard(heard, bool(came) or not due_at)
        return latencies

    def _heard(self, before: float, now: bool) -> float:
        """When something was last heard; raises WorldError when that is too long ago."""
        if not self._alive():
            raise WorldError("the service ended in the middle of the benchmark; its log stands above")
        if not now and self._clock() - before > PATIENCE_S:
            raise WorldError(f"no record came for {PATIENCE_S:.0f} s: the service stands still")
        return self._clock() if now else before
