"""Dead letters to begin with, the commands for them, and what is on a topic."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from typer.testing import CliRunner

from streamer import dlq
from streamer import topics as records
from streamer.chaos.places import Topics
from streamer.chaos.processes import Process
from streamer.errors import NoteError
from streamer.topics import Headers, Incoming

SLOWLY = "from streamer import dlq, replay; replay.BATCH_NOTES = 10; dlq.app(['replay', '--all', '--json'])"


def call(at: Topics, *arguments: str, code: int = 0) -> str:
    """What `streamer dlq …` prints."""
    done = CliRunner().invoke(dlq.app, arguments, env=own_settings(at))
    assert done.exit_code == code, done.exception or done.output
    return done.stdout


def asked(at: Topics, *arguments: str, code: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(call(at, *arguments, "--json", code=code))
    return answer


def own_settings(at: Topics) -> dict[str, str]:
    return {name: value for name, value in at.environment().items() if name.startswith("STREAMER_")}


def dead(
    at: Topics, count: int, reason: str = "model-non-finite", headers: Headers = (), first: int = 0
) -> None:
    """Dead letters of notes `first`…, as the service writes them; of too large ones only the names."""
    producer = KafkaProducer(bootstrap_servers=at.bootstrap, acks="all", linger_ms=5)
    try:
        for number in range(first, first + count):
            partition = number % at.partitions
            value = json.dumps({"id": f"{reason} {number}", "text": "fever"}).encode()
            note = Incoming(at.input, partition, 10**9 + number, -1, b"k%d" % (number % 7), value, headers)
            out = records.dead_letter(note, at.dead_letters, NoteError(reason))
            producer.send(out.topic, out.value, out.key, headers=list(out.headers), partition=out.partition)
        producer.flush()
    finally:
        producer.close()


def committed(at: Topics, topic: str, first: int = 0) -> list[Any]:
    """All records of a topic, from that offset on, that a read_committed reader sees now."""
    consumer = KafkaConsumer(
        bootstrap_servers=at.bootstrap, isolation_level="read_committed", enable_auto_commit=False
    )
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, first)
        ends = consumer.end_offsets(partitions)
        seen: list[Any] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            seen += [record for fetched in consumer.poll(timeout_ms=200).values() for record in fetched]
        return seen
    finally:
        consumer.close()


def ids(at: Topics) -> Counter[str]:
    """How often each note is on the input topic."""
    return Counter(json.loads(record.value)["id"] for record in committed(at, at.input))


@contextmanager
def worker(at: Topics, folder: Path, mended: bool = False, **more: str) -> Iterator[Process]:
    (folder / "state").mkdir(exist_ok=True)
    environment = at.environment(state_dir=str(folder / "state"), **more)
    command = [sys.executable, str(Path(__file__).with_name("mending.py"))]
    process = Process(command, environment | ({"MENDED": "1"} if mended else {}), folder / "worker.log")
    try:
        yield process
    finally:
        process.end()


def replaying(at: Topics) -> subprocess.Popen[str]:
    """A replay of all, in small transactions, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SLOWLY], env=at.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def note(name: str, text: str = "No fever.") -> bytes:
    return json.dumps({"id": name, "text": text}).encode()


def forget_before(at: Topics, offset: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=at.bootstrap)
    try:
        admin.delete_records({TopicPartition(at.input, 0): offset})
    finally:
        admin.close()
