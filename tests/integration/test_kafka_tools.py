"""The command line's Kafka tools on a real broker."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import uuid
from itertools import islice
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from streamer import kafka_tools
from streamer.embedded import KafkaCluster
from streamer.errors import SettingError, TopicMissing, WorldError
from streamer.settings import Settings, load


@pytest.fixture
def settings(kafka: KafkaCluster) -> Settings:
    unique = uuid.uuid4().hex[:8]
    return load(
        bootstrap=kafka.bootstrap,
        input_topic=f"notes-{unique}",
        output_topic=f"annotations-{unique}",
        dead_letter_topic=f"notes-dlt-{unique}",
    )


def test_topics_are_made_once_and_found_to_be_right(settings: Settings) -> None:
    names = [settings.input_topic, settings.output_topic, settings.dead_letter_topic]
    problems = kafka_tools.check_topics(settings)
    assert len(problems) == 3
    assert all("is missing" in p and "streamer topics create" in p for p in problems)
    assert kafka_tools.create_topics(settings, partitions=3) == names
    assert kafka_tools.check_topics(settings) == []
    assert kafka_tools.create_topics(settings, partitions=3) == []


def test_what_is_wrong_with_topics_is_said_with_the_command_that_mends_it(settings: Settings) -> None:
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    small = {"max.message.bytes": "1000000"}
    admin.create_topics(
        {
            settings.input_topic: {"num_partitions": 4, "configs": {"cleanup.policy": "compact"}},
            settings.output_topic: {"num_partitions": 4, "configs": small},
            settings.dead_letter_topic: {"num_partitions": 2},
        },
        wait_for_metadata=True,
    )
    admin.close()
    problems = kafka_tools.check_topics(settings)
    assert [problem.split(" ")[0] for problem in problems] == [
        settings.input_topic,
        settings.output_topic,
        settings.dead_letter_topic,
    ]
    for problem, mend in zip(
        problems, ("cleanup.policy=delete", "max.message.bytes=8", "--partitions 4"), strict=True
    ):
        assert mend in problem
        assert f"--bootstrap-server {settings.bootstrap}" in problem


def test_what_is_sent_is_seen_by_tail_whole_and_in_order(settings: Settings, tmp_path: Path) -> None:
    kafka_tools.create_topics(settings, partitions=3)
    (tmp_path / "notes.jsonl").write_text(
        "".join(f'{{"id":"{n}","text":"note {n}","patientKey":"p{n % 5}"}}\n' for n in range(200))
    )
    (tmp_path / "large.txt").write_bytes(b"x" * 20_000_000)
    counts: list[int] = []
    files = [tmp_path / "notes.jsonl", tmp_path / "large.txt"]
    assert kafka_tools.send(files, settings, counts.append) == 201
    assert counts[-1] == 201

    seen = list(islice(kafka_tools.tail(settings.input_topic, settings, from_beginning=True), 201))
    keyed = [record for record in seen if record.key]
    assert {dict(record.headers)["content-type"] for record in keyed} == {b"application/json"}
    for key in range(5):
        texts = [record.value for record in keyed if record.key == b"p%d" % key]
        expected = [
            b'{"id":"%d","text":"note %d","patientKey":"p%d"}' % (n, n, key) for n in range(key, 200, 5)
        ]
        assert texts == expected
    (large,) = (record for record in seen if not record.key)
    assert len(large.value or b"") == 20_000_000


def test_tail_starts_at_the_end_and_skips_what_was_aborted(settings: Settings) -> None:
    kafka_tools.create_topics(settings, partitions=1)
    topic = settings.input_topic
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap, transactional_id=topic)
    producer.init_transactions()

    def transact(value: bytes, commit: bool) -> None:
        producer.begin_transaction()
        producer.send(topic, value)
        producer.commit_transaction() if commit else producer.abort_transaction()

    transact(b"before", commit=True)
    transact(b"aborted", commit=False)
    watched = threading.Event()

    def keep_sending() -> (
        None
    ):  # where the end is, is fixed once tail is asked: what comes from then on is seen
        for number in range(200):
            transact(b"aborted", commit=False)
            transact(b"after %d" % number, commit=True)
            if watched.wait(0.05):
                return

    sending = threading.Thread(target=keep_sending)
    sending.start()
    seen = [record.value for record in islice(kafka_tools.tail(topic, settings), 2)]
    watched.set()
    sending.join()
    producer.close()
    assert all(value is not None and value.startswith(b"after") for value in seen)
    whole = islice(kafka_tools.tail(topic, settings, from_beginning=True), 3)
    assert [record.value for record in whole] == [b"before", b"after 0", b"after 1"]


def test_a_note_too_large_to_send_is_named(settings: Settings, tmp_path: Path) -> None:
    kafka_tools.create_topics(settings, partitions=1)
    (tmp_path / "notes.jsonl").write_bytes(b'{"id":"1"}\n' + b"x" * 1_000_001)
    tight = settings.model_copy(update={"max_record_bytes": 1_000_000})
    with pytest.raises(WorldError, match=r"notes\.jsonl line 2 has 1000001 bytes"):
        kafka_tools.send([tmp_path / "notes.jsonl"], tight)


def test_a_missing_topic_is_said_and_never_made(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("stable")
    with pytest.raises(TopicMissing, match=settings.input_topic):
        kafka_tools.send([tmp_path / "note.txt"], settings)
    with pytest.raises(SettingError, match="no topic"):
        next(kafka_tools.tail(settings.output_topic, settings))
    assert len(kafka_tools.check_topics(settings)) == 3


def test_a_broker_that_does_not_answer_is_one_line() -> None:
    """In a process of its own: kafka-python leaves the sockets of failed connections to the collector."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        program = (
            "from streamer import kafka_clients, kafka_tools, settings\n"
            "from streamer.errors import WorldError\n"
            "kafka_clients.REACH_MS = 500\n"
            f"chosen = settings.load(bootstrap={address!r})\n"
            "try: kafka_tools.create_topics(chosen)\n"
            "except WorldError as error: print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        f"no Kafka broker answers at {address}: check STREAMER_BOOTSTRAP and the network"
    ]
