"""Passages that arrive at random, and notes read alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from models.answers import Answers
from models.bench import loads
from models.engine import Engine
from models.reader import Reader
from models.requests import Passage
from tests.checkpoints import TEXT, tiny

PASSAGE: Passage = (np.zeros(3, np.int32), np.zeros(3, np.uint8))


def test_arrivals_are_as_many_as_asked_for_and_always_the_same() -> None:
    moments = loads.arrivals(50, 100)
    assert len(moments) == pytest.approx(5000, rel=0.05)
    assert moments == sorted(moments)
    assert moments[-1] < 100
    assert moments == loads.arrivals(50, 100)
    assert np.diff(moments).std() == pytest.approx(1 / 50, rel=0.1)


def test_a_latency_counts_from_when_the_passage_should_have_come() -> None:
    """A sender that was held up for 50 ms by the first passage hides nothing of it."""
    asked: list[int] = []

    def submit(passages: Sequence[Passage]) -> Future[Answers]:
        if not asked:
            import time

            time.sleep(0.05)
        asked.append(len(passages))
        future: Future[Answers] = Future()
        future.set_result(None)  # type: ignore[arg-type]
        return future

    found = loads.offered(submit, [PASSAGE], [5], 5 * 2000.0, 0.03)
    assert found["passages"] == len(asked) > 20
    assert found["p50_ms"] > 20
    assert found["p99_ms"] >= found["p50_ms"]


def test_a_load_at_which_nothing_arrives_has_no_latency() -> None:
    assert loads.offered(lambda _: Future(), [PASSAGE], [5], 0.001, 0.001) == {"passages": 0}


def test_a_whole_note_is_read(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path)
    engine = Engine(checkpoint, "cpu", readers=1)
    try:
        found = loads.note(engine.submit, Reader(checkpoint), TEXT)
    finally:
        engine.close()
    assert found["tokens"] > 20
    assert found["passages"] >= 1
    assert found["seconds"] > 0
