"""Delivery without transactions, on a real Kafka: nothing is lost, and what comes twice is the same."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streamer import settings as configuration
from streamer.chaos.places import Message, Topics, configure, produce, topics
from streamer.chaos.processes import Process, echo_workers
from streamer.chaos.reader import Reader, by_document, by_value
from streamer.chaos.waiting import wait_until
from streamer.embedded import KafkaCluster
from streamer.permissions import needed
from tests.integration.dead_letters import committed, note, worker
from tests.integration.secured import Secured
from tests.integration.test_delivery import assert_each_in_order, kill_three_times, lag, numbered

MODE = {"delivery": "at_least_once"}
TIMINGS = re.compile(rb',"timings":\{[^{}]*\}')


def test_killed_workers_may_double_but_never_lose_a_note(kafka: KafkaCluster, tmp_path: Path) -> None:
    at, count = topics(kafka.bootstrap), 3_000
    produce(at, numbered(count))
    with Reader(at, by_value) as reader, echo_workers(at, 2, tmp_path, pause_ms="400", **MODE) as workers:
        kill_three_times(workers, reader, count)
        seen = reader.wait_for_the_rest(count)
        assert [own.stop() for own in workers] == [0, 0]
    assert_each_in_order(seen, count)
    assert len(seen.twice) < 3 * 4096


def test_what_comes_twice_is_the_same_to_the_byte_but_for_timings(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at, count = topics(kafka.bootstrap), 400
    produce(at, assorted(count))
    environment = at.environment(state_dir=str(tmp_path), **MODE) | {"CUT_SHORT": "1"}
    command = [sys.executable, "-m", "tests.integration.cut_short"]
    cut_short = Process(command, environment, tmp_path / "cut-short.log")
    try:
        assert cut_short.wait(60) == -9
    finally:
        cut_short.end()
    before = records(at)
    with worker(at, tmp_path, delivery="at_least_once") as own, Reader(at, by_document) as reader:
        own.wait_until_assigned()
        wait_until(lambda: lag(at) == 0, 60, "all is committed")
        reader.wait_for_the_rest(count)
        assert own.stop() == 0
    copies: dict[tuple[str, int, bytes | None, Any], list[Any]] = defaultdict(list)
    for record in records(at):
        same = (record.topic, record.partition, record.key, tuple(record.headers))
        copies[(*same, TIMINGS.sub(b"", record.value))].append(record)  # type: ignore[index]
    assert len(copies) == count  # two that differ would be two
    twice = [own for own in copies.values() if len(own) == 2]
    assert 0 < len(twice) <= len(before)
    assert {record.topic for own in twice for record in own} == {at.output, at.dead_letters}
    assert any(first.value != again.value for first, again in twice)  # timings are there, and differ


def assorted(count: int) -> list[Message]:
    """Notes of which one in four cannot be read, each with a text of its own."""
    words = ("poison", "No fever.", "Pain since May.", "Cough.")
    return [(b"k%d" % (n % 7), note(f"n{n}", f"{words[n % 4]} Number {n}.")) for n in range(count)]


def records(at: Topics) -> list[Any]:
    return [*committed(at, at.output), *committed(at, at.dead_letters)]


def test_a_limit_that_was_lowered_meanwhile_harms_no_neighbour(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A record that the brokers refuse leaves a gap in the numbers by which they know what was sent twice."""
    at = topics(kafka.bootstrap, partitions=1)
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, pause_ms="5", **MODE) as workers:
        produce(at, [(b"k", b"first")])
        reader.wait_for(1)
        configure(at, at.output, "max.message.bytes", "200000")
        produce(at, [(b"k", b"large %d" % n if n % 7 == 0 else b"small %d" % n) for n in range(20)])
        seen = reader.wait_for_the_rest(21)
        assert workers[0].stop() == 0
    assert seen.reasons == {f"large {n}": "output-too-large" for n in (0, 7, 14)}


@pytest.mark.timeout(300)
def test_brokers_that_forbid_transactions_suffice(secured: Secured, tmp_path: Path) -> None:
    at, count = topics(secured.kafka.bootstrap), 500
    names = {"input_topic": at.input, "output_topic": at.output, "dead_letter_topic": at.dead_letters}
    secured.grant(needed(configuration.load(group=at.name, **names, **MODE)))
    user = secured.options()
    assert "transactional-id" in refused(at, tmp_path, **user)
    produce(at, numbered(count))
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, **user, **MODE) as workers:
        seen = reader.wait_for_the_rest(count)
        assert workers[0].stop() == 0
    assert_each_in_order(seen, count)
    assert seen.twice == []


def refused(at: Topics, folder: Path, **more: str) -> str:
    """What a worker says that starts under the default delivery."""
    command: Sequence[str] = [sys.executable, "-m", "streamer", "run"]
    environment = at.environment(state_dir=str(folder), metrics_port="0", **more)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    return done.stderr
