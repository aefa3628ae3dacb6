"""In which precision the engine reads is part of what a record says, and of what the cache knows it by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.precision import Precision
from streamer import checkpoints, settings
from streamer.chaos.places import produce, topics
from streamer.chaos.processes import Node
from streamer.chaos.reader import Reader, by_document
from streamer.embedded import KafkaCluster, RedisServer

TEXT = "The patient denies chest pain. Takes aspirin 81 mg daily."
SECRET = "the secret of this run alone, long enough for a key"


@pytest.mark.timeout(600)
def test_a_worker_reads_as_its_engine_does_and_shares_no_findings_with_another_precision(
    kafka: KafkaCluster, redis_server: RedisServer, tmp_path: Path
) -> None:
    chosen = settings.load()
    plain = checkpoints.opened(chosen)
    finish = checkpoints.finish(chosen, plain)
    told: list[tuple[str, int]] = []
    rounds: tuple[Precision, ...] = ("fp32", "bf16", "fp32")
    for number, precision in enumerate(rounds):
        at = topics(kafka.bootstrap)
        more = {"redis": redis_server.url, "cache_secret": SECRET, "precision": precision}
        with Node(at, tmp_path, f"node-{number}", **more) as node, Reader(at, by_document) as reader:
            node.wait_until_ready()
            note = {"id": "n", "text": TEXT, "footer": str(tmp_path)}
            produce(at, [(b"k", json.dumps(note).encode())])
            record: dict[str, Any] = json.loads(reader.wait_for(1).records["n"] or b"")
            assert node.stop() == 0
        told.append((record["pipeline"]["fingerprint"], record["timings"]["cachedPassages"]))
        assert f"reads in {precision}" in node.log.read_text()
    own = {
        precision: finish.identity(plain.in_precision(precision).pipeline).fingerprint for precision in rounds
    }
    assert [fingerprint for fingerprint, _ in told] == [own[precision] for precision in rounds]
    passages = told[-1][1]
    assert passages > 0
    assert [cached for _, cached in told] == [0, 0, passages]
