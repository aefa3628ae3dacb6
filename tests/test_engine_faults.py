import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import Checkpoint, open_checkpoint
from models.engine import Engine
from models.errors import CheckpointError, EngineError
from models.forward import Projected
from models.requests import Passage
from tests.checkpoints import huggingface_folder
from tests.engines import Gate, gated, own_rows, passage, result, same


class Small:
    """A device with room for so many tokens at once."""

    def __init__(self, engine: Engine, room: int) -> None:
        self.inner, self.room, self.refused = engine.forward, room, 0
        engine.forward = self  # type: ignore[assignment]

    def __call__(self, windows: Sequence[Passage]) -> Projected:
        if sum(len(ids) + 2 for ids, _ in windows) > self.room:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(windows)


def test_out_of_memory_halves_the_batch_until_it_fits_and_remembers(
    checkpoint: Checkpoint, engine: Engine
) -> None:
    passages = [passage(30, n) for n in range(32)]
    expected = result(engine.submit(passages))
    tight = Engine(checkpoint, "cpu", readers=1, budget=1024)
    device = Small(tight, 130)
    assert all(same(a, b) for a, b in zip(result(tight.submit(passages)), expected, strict=True))
    refused = device.refused
    assert 0 < refused < 20
    assert tight.budget <= 130
    result(tight.submit(passages))
    assert device.refused == refused
    tight.close()


def test_a_passage_that_never_fits_is_a_fault_of_its_own(checkpoint: Checkpoint, engine: Engine) -> None:
    good = [passage(10, n) for n in range(5)]
    expected = result(engine.submit(good))
    tight = Engine(checkpoint, "cpu", readers=1)
    Small(tight, 20)
    answers = result(tight.submit([*good[:2], passage(90), *good[2:]]))
    assert [answer.status for answer in answers] == ["ok", "ok", "device-out-of-memory", "ok", "ok", "ok"]
    assert all(same(a, b) for a, b in zip([*answers[:2], *answers[3:]], expected, strict=True))
    tight.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_the_fault_of_its_passage_alone(
    checkpoint: Checkpoint, value: float
) -> None:
    engine = Engine(checkpoint, "cpu", readers=1)
    inner = engine.forward

    def forward(windows: Sequence[Passage]) -> Projected:
        batch = inner(windows)
        for (ids, _), own in zip(windows, own_rows(batch), strict=True):
            if len(ids) == 13:
                own.numpy()[7, 2] = value
        return batch

    engine.forward = forward  # type: ignore[assignment]
    answers = result(engine.submit([passage(12), passage(13), passage(14)]))
    assert [answer.status for answer in answers] == ["ok", "model-non-finite", "ok"]
    assert len(answers[1].spans) == 0
    engine.close()


def test_a_bug_ends_the_engine_and_says_where_without_quoting_anything(checkpoint: Checkpoint) -> None:
    told: list[str] = []
    engine = Engine(checkpoint, "cpu", readers=1, budget=32, on_bug=told.append)
    gate = Gate(engine)

    def broken(windows: Sequence[Passage]) -> Projected:
        raise KeyError("patient name")

    gate.inner = broken  # type: ignore[assignment]
    running, waiting = engine.submit([passage(30)]), engine.submit([passage(30)])
    gate.open.set()
    for future in (running, waiting):
        with pytest.raises(
            EngineError, match=r"^KeyError in a batch at test_engine_faults\.py:\d+: this is a bug$"
        ):
            future.result(30)
    with pytest.raises(EngineError, match="this is a bug"):
        engine.submit([passage(1)])
    engine.close()
    assert told == [str(running.exception())]


def test_a_closed_engine_fails_what_waits_and_takes_nothing_more(checkpoint: Checkpoint) -> None:
    engine, gate = gated(checkpoint)
    waiting = engine.submit([passage(3)])
    closing = threading.Thread(target=engine.close)
    closing.start()
    with pytest.raises(EngineError, match="closed"):
        waiting.result(30)
    gate.open.set()
    closing.join(30)
    with pytest.raises(EngineError, match="closed"):
        engine.submit([passage(1)])


def test_a_batch_that_stays_on_the_device_is_seen(checkpoint: Checkpoint) -> None:
    engine, gate = gated(checkpoint)
    first = engine.stalled_for()
    threading.Event().wait(0.02)
    assert engine.stalled_for() >= first + 0.02
    last = engine.submit([passage(1)])
    gate.open.set()
    result(last)
    engine.close()
    assert engine.stalled_for() == 0


def test_a_bare_base_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="bare base without heads"):
        Engine(open_checkpoint(huggingface_folder(tmp_path, "BertModel")))
