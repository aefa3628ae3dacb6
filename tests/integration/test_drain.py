"""SIGTERM while the engine is at work: what was begun is finished, the rest is left, within ten seconds."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from streamer.chaos.places import produce, topics
from streamer.chaos.processes import Node
from streamer.chaos.reader import Reader, by_document
from streamer.embedded import KafkaCluster

COUNT = 400
LINES = 12


def long_note(number: int) -> bytes:
    """Several passages that were never read before, so that the engine has work."""
    given = range(number * LINES, (number + 1) * LINES)
    text = "\n\n".join(f"Given {units} units of insulin, no fever." for units in given)
    return json.dumps({"id": f"n{number}", "text": text}).encode()


@pytest.mark.timeout(600)
def test_a_node_drains_within_ten_seconds_and_the_next_one_goes_on(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at = topics(kafka.bootstrap)
    with Node(at, tmp_path) as node:
        node.wait_until_ready()
        with Reader(at, by_document) as reader:
            produce(at, [(b"patient-%d" % (n % 13), long_note(n)) for n in range(COUNT)])
            reader.wait_for(20)
            node.signal(signal.SIGTERM)
            began = time.monotonic()
            assert node.wait(12) == 0
            assert time.monotonic() - began < 10
            assert len(reader.seen.times) < COUNT, "it was over before it was told to stop"
            node.start()
            node.wait_until_ready()
            seen = reader.wait_for_the_rest(COUNT)
        assert node.stop() == 0
    assert seen.twice == []
    assert set(seen.records) == {f"n{number}" for number in range(COUNT)}
    for notes in seen.order.values():
        assert [int(note[1:]) for note in notes] == sorted(int(note[1:]) for note in notes)
