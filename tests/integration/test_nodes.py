"""Two nodes share the topic as one consumer group; one leaves in mid-stream and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.chaos.places import produce, topics
from streamer.chaos.processes import Node
from streamer.chaos.reader import Reader, by_document
from streamer.embedded import KafkaCluster
from tests.integration.ledger import assert_each_once_in_order, short_notes

PART = 600


def notes_out(node: Node) -> float:
    lines = node.get("/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("streamer_notes_out_total"))


@pytest.mark.timeout(600)
def test_a_node_leaves_in_mid_stream_and_comes_back(kafka: KafkaCluster, tmp_path: Path) -> None:
    at = topics(kafka.bootstrap)
    notes = short_notes(4 * PART)
    with Node(at, tmp_path, "first") as stays, Node(at, tmp_path, "second") as leaves:
        nodes = [stays, leaves]
        for node in nodes:
            node.wait_until_ready()
        with Reader(at, by_document) as reader:
            produce(at, notes[: 2 * PART])
            reader.wait_for(PART)
            shared = [notes_out(node) for node in nodes]
            assert leaves.stop() == 0
            produce(at, notes[2 * PART : 3 * PART])
            reader.wait_for(3 * PART)
            leaves.start()
            leaves.wait_until_ready()
            produce(at, notes[3 * PART :])
            seen = reader.wait_for_the_rest(4 * PART)
            assert notes_out(leaves) > 0
        assert [node.stop() for node in nodes] == [0, 0]
    assert all(share > 0 for share in shared)
    assert_each_once_in_order(seen, 4 * PART)
