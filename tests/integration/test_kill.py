"""The whole service on real servers, its worker and its engine killed at random: nothing of it shows."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from streamer.embedded import KafkaCluster, RedisServer
from tests.integration.ledger import (
    Reader,
    Seen,
    assert_each_once_in_order,
    by_document,
    produce,
    short_notes,
    topics,
    without_timings,
)
from tests.integration.nodes import Node

COUNT = 20_000
FAULT_FREE = "fault-free"
KILLED = "killed"


def run(kafka: KafkaCluster, redis: RedisServer, folder: Path, name: str, victims: list[str]) -> Seen:
    """Every note through a node of its own with a cold cache; `victims` are killed one by one on the way."""
    at = topics(kafka.bootstrap)
    produce(at, short_notes(COUNT))
    more = {"redis": redis.url, "cache_secret": f"the secret of the {name} run, long enough"}
    node = Node(at, folder, name, **more)
    chance = random.Random(4711)
    shares = sorted(chance.uniform(0.02, 0.9) for _ in victims)
    try:
        node.wait_until_ready()
        with Reader(at, by_document) as reader:
            for victim, share in zip(victims, shares, strict=True):
                reader.wait_for(int(share * COUNT))
                os.kill(living(node, victim), signal.SIGKILL)
            seen = reader.wait_for_the_rest(COUNT)
        assert node.stop() == 0
    finally:
        node.end()
    return seen


def living(node: Node, victim: str) -> int:
    """The victim's process id; it may just be on its way back from the last time."""
    until = time.monotonic() + 60
    while victim not in (children := node.children()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return children[victim]


@pytest.mark.timeout(600)
def test_killing_worker_and_engine_changes_nothing(
    kafka: KafkaCluster, redis_server: RedisServer, tmp_path: Path
) -> None:
    expected = run(kafka, redis_server, tmp_path, FAULT_FREE, [])
    assert_each_once_in_order(expected, COUNT)
    victims = ["worker", "engine"] * 3
    random.Random(42).shuffle(victims)
    seen = run(kafka, redis_server, tmp_path, KILLED, victims)
    assert_each_once_in_order(seen, COUNT)
    assert seen.reasons == expected.reasons
    for note, value in expected.records.items():
        if note not in expected.reasons:
            assert without_timings(seen.records[note]) == without_timings(value)
    log = (tmp_path / f"{KILLED}.log").read_text()
    assert log.count("the worker 1 ended with exit code -9") == 3
    assert log.count("the engine ended with exit code -9") == 3
