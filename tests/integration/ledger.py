"""What was produced against what a read_committed reader sees: every id, how often, in what order."""

from __future__ import annotations

import json
import os
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from streamer import settings as configuration

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Topics:
    """Topics and a group of one test's own."""

    bootstrap: str
    name: str
    partitions: int

    @property
    def input(self) -> str:
        return f"notes-{self.name}"

    @property
    def output(self) -> str:
        return f"annotations-{self.name}"

    @property
    def dead_letters(self) -> str:
        return f"dead-{self.name}"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process under test; `more` are settings without their prefix."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(configuration.PREFIX)}
        ours = {
            "BOOTSTRAP": self.bootstrap,
            "INPUT_TOPIC": self.input,
            "OUTPUT_TOPIC": self.output,
            "DEAD_LETTER_TOPIC": self.dead_letters,
            "GROUP": self.name,
            "SESSION_TIMEOUT_S": "6",
            "PRECISION": "fp32",
        } | {name.upper(): value for name, value in more.items()}
        return (
            clean
            | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            | {configuration.PREFIX + k: v for k, v in ours.items()}
        )


def topics(bootstrap: str, partitions: int = 4, **configs: str) -> Topics:
    """Three fresh topics; `configs` are settings of the output topic, underscores for dots."""
    made = Topics(bootstrap, uuid.uuid4().hex[:10], partitions)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        wanted: dict[str, dict[str, Any]] = {
            name: {"num_partitions": partitions, "replication_factor": -1}
            for name in (made.input, made.output, made.dead_letters)
        }
        wanted[made.output]["configs"] = {k.replace("_", "."): v for k, v in configs.items()}
        admin.create_topics(wanted, wait_for_metadata=True)
    finally:
        admin.close()
    return made


def produce(at: Topics, messages: Sequence[tuple[bytes | None, bytes | None]]) -> None:
    """Keys and values to the input topic; returns when every one is acknowledged."""
    producer = KafkaProducer(bootstrap_servers=at.bootstrap, acks="all", linger_ms=5)
    try:
        for key, value in messages:
            producer.send(at.input, key=key, value=value)
        producer.flush()
    finally:
        producer.close()


@dataclass
class Seen:
    """Records of the output and dead-letter topics, entered as a read_committed reader gets them."""

    records: dict[str, bytes | None] = field(default_factory=dict)
    headers: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    order: dict[bytes | None, list[str]] = field(default_factory=dict)

    @property
    def twice(self) -> list[str]:
        return [note for note, times in self.times.items() if times > 1]


class Reader:
    """Reads both topics from the beginning on a thread of its own. `name` gives the id of a record's note."""

    def __init__(self, at: Topics, name: Callable[[Any], str]) -> None:
        self.seen = Seen()
        self._at, self._name = at, name
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reader")

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, count: int, patience_s: float = 150.0) -> Seen:
        """Returns when `count` notes were seen; AssertionError when none comes for `patience_s`."""
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
                assert come() > before, f"{before} of {count}, and no more come"
        return self.seen

    def wait_for_the_rest(self, count: int, quiet_s: float = 2.0) -> Seen:
        """As `wait_for`, and then as long as anything still comes: what comes twice must show."""
        self.wait_for(count)
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
        except BaseException as error:
            self._error = error
            raise
        finally:
            consumer.close()

    def _enter(self, record: Any) -> None:
        note = self._name(record)
        seen = self.seen
        seen.times[note] += 1
        if seen.times[note] > 1:
            return
        seen.records[note], seen.headers[note] = record.value, list(record.headers)
        reason = dict(record.headers).get("streamer-reason")
        if reason is not None:
            seen.reasons[note] = reason.decode()
        seen.order.setdefault(record.key, []).append(note)


def by_value(record: Any) -> str:
    return str(record.value.decode())


def by_document(record: Any) -> str:
    """The note's id in an annotation record; partition and offset of the note for a dead letter."""
    headers = dict(record.headers)
    if "streamer-reason" in headers:
        return "/".join(headers[f"__connect.errors.{k}"].decode() for k in ("partition", "offset"))
    return str(json.loads(record.value)["document"]["id"])


def without_timings(value: bytes | None) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(value or b"{}")
    record.pop("timings", None)
    return record


SENTENCES = (
    "No chest pain.",
    "Takes aspirin 81 mg daily.",
    "Denies fever, chills and cough.",
    "History of hypertension and type 2 diabetes.",
    "Possible pneumonia in the left lower lobe.",
    "Mother had breast cancer.",
    "Lisinopril was increased to 20 mg.",
    "MRI of the lumbar spine shows no fracture.",
)


def short_notes(count: int, seed: int = 0, new_every: int = 10) -> list[tuple[bytes | None, bytes | None]]:
    """Notes `n0`… of one or two sentences from a small set; every so many one that was never read before.

    One in a thousand can never succeed.
    """
    chance = random.Random(seed)
    notes: list[tuple[bytes | None, bytes | None]] = []
    for number in range(count):
        text = " ".join(chance.sample(SENTENCES, chance.choice((1, 2))))
        if number % new_every == 0:
            text += f" Given {number + seed * 1_000_000} units of heparin."
        value = json.dumps({"id": f"n{number}", "text": text}).encode()
        notes.append((b"patient-%d" % (number % 97), value[:-1] if number % 1000 == 999 else value))
    return notes


def assert_each_once_in_order(seen: Seen, count: int) -> None:
    """Every note is there once, dead letters for the broken ones, and each key's notes in their order."""
    broken = {f"n{number}" for number in range(999, count, 1000)}
    assert seen.twice == []
    assert set(seen.reasons.values()) <= {"json-invalid"}
    assert len(seen.reasons) == len(broken)
    expected = {f"n{number}" for number in range(count)} - broken
    assert set(seen.records) - set(seen.reasons) == expected
    for notes in seen.order.values():
        numbers = [int(note[1:]) for note in notes if note.startswith("n")]
        assert numbers == sorted(numbers)
