"""Our engine as the benchmark measures it: in the steady state, and nothing of it runs on afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from models.bench import mixture
from models.bench.child import Work, load_peer
from models.bench.peers import OURS
from models.checkpoint import open_checkpoint
from tests.checkpoints import TEXT, streamer_folder


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = streamer_folder(tmp_path_factory.mktemp("tiny"))
    items = tuple(mixture.items([TEXT], open_checkpoint(folder).tokenizer, groups=2))
    peer = load_peer(OURS[0].file)
    peer.start(Work(str(folder), "", "", "cpu", 1, items, {"precision": "fp32"}))
    yield peer
    peer.stop()


def test_after_a_reading_nothing_runs_and_nothing_waits(ours: Any) -> None:
    assert ours.read(0, 16) > 0
    batches = len(ours._meter.batches)
    assert batches >= 4
    assert ours._engine.stalled_for() == 0
    ours._engine.submit([]).result(5)
    assert len(ours._meter.batches) == batches
    inside = ours.inside()
    assert 0.9 < inside["batch_fill"] <= 1
    assert 0 < inside["busy"] <= 1


def test_another_number_of_readers_is_another_engine_for_that_long(ours: Any) -> None:
    engine = ours._engine
    assert ours.readers(1, 0, 16) > 0
    assert ours._engine is engine


def test_a_profile_is_of_all_the_time(ours: Any) -> None:
    trunk = ours._engine.forward._encoder
    found = ours.profile(0, 32)
    assert 0.1 < found["parts"]["trunk"] < 1
    assert sum(found["parts"].values()) == pytest.approx(1)
    assert sum(found["operators"].values()) == pytest.approx(1)
    assert ours._engine.forward._encoder is trunk


def test_a_soak_of_short_passages_has_ten_points(ours: Any) -> None:
    found = ours.soak(300)
    assert len(found["megabytes"]) == 10
    assert found["faults"] == 0
