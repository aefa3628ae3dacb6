"""The whole service on real servers, its worker and its engine killed at random: nothing of it shows."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.checkpoint import Checkpoint, open_checkpoint
from models.engine import Engine
from models.reader import Reader as PassageReader
from models.types import Lane, Passage
from streamer.chaos.places import produce, topics
from streamer.chaos.processes import Node
from streamer.chaos.reader import Reader, by_document, without_timings
from streamer.embedded import KafkaCluster, RedisServer
from streamer.pipeline import Destinations, NotePipeline
from streamer.topics import Incoming
from tests.fakes import FakeCache, FakeReading
from tests.integration.ledger import assert_each_once_in_order, short_notes

COUNT = 20_000
TOGETHER = 500
Message = tuple[bytes | None, bytes | None]


class EngineHere:
    """An engine in this process, asked as a worker asks the one in another."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._engine, self._reader = Engine(checkpoint, "cpu"), PassageReader(checkpoint)

    async def read(self, passages: Sequence[Passage], lane: Lane = "routine") -> FakeReading:
        texts = [passage.text for passage in passages]
        tokens = self._reader.tokenise(texts)
        future = self._engine.submit([own.passage for own in tokens], lane)
        return FakeReading(self._reader.findings(texts, tokens, await asyncio.wrap_future(future)))

    def close(self) -> None:
        self._engine.close()


async def undisturbed(messages: Sequence[Message]) -> dict[str, dict[str, Any]]:
    """The record of every note that is none of the broken ones, made without brokers, cache or processes."""
    checkpoint = open_checkpoint(None)
    engine = EngineHere(checkpoint)
    to = Destinations("out", "dead", 1_000_000)
    pipeline = NotePipeline(engine, FakeCache(), checkpoint.pipeline, to)
    notes = [Incoming("in", 0, n, -1, key, value) for n, (key, value) in enumerate(messages)]
    records = {}
    try:
        for start in range(0, len(notes), TOGETHER):
            for out in await asyncio.gather(*map(pipeline.annotate, notes[start : start + TOGETHER])):
                if out.reason is None:
                    record = without_timings(out.value)
                    records[str(record["document"]["id"])] = record
    finally:
        engine.close()
    return records


def kill(node: Node, victim: str) -> None:
    """It may just be on its way back from the last time."""
    until = time.monotonic() + 60
    while victim not in (children := node.children()):
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(children[victim], signal.SIGKILL)


@pytest.mark.timeout(900)
async def test_killing_worker_and_engine_changes_nothing(
    kafka: KafkaCluster, redis_server: RedisServer, tmp_path: Path
) -> None:
    at, notes = topics(kafka.bootstrap), short_notes(COUNT)
    expected = await undisturbed(notes)
    produce(at, notes)
    victims = ["worker", "engine"] * 3
    random.Random(42).shuffle(victims)
    chance = random.Random(4711)
    shares = sorted(chance.uniform(0.02, 0.9) for _ in victims)
    secret = "the secret of this run alone, long enough for a key"
    with Node(at, tmp_path, redis=redis_server.url, cache_secret=secret) as node:
        node.wait_until_ready()
        with Reader(at, by_document) as reader:
            for victim, share in zip(victims, shares, strict=True):
                reader.wait_for(int(share * COUNT))
                kill(node, victim)
            seen = reader.wait_for_the_rest(COUNT)
        assert node.stop() == 0
    assert_each_once_in_order(seen, COUNT)
    assert set(expected) == set(seen.records) - set(seen.reasons)
    for note, record in expected.items():
        assert without_timings(seen.records[note]) == record
    log = node.log.read_text()
    assert log.count("the worker 1 ended with exit code -9") == 3
    assert log.count("the engine ended with exit code -9") == 3
