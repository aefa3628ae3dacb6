import threading
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.answers import Answer
from models.checkpoint import Checkpoint, open_checkpoint
from models.engine import Engine
from models.forward import Forward
from models.heads.token_classes import TokenClasses
from models.requests import Passage
from models.types import Lane
from models.windows import cut
from tests import plain_reading
from tests.checkpoints import huggingface_folder
from tests.engines import gated, own_rows, passage, result, same

# --- what is answered ----------------------------------------------------------------------------


def brute_force(checkpoint: Checkpoint, own: Passage) -> Answer:
    """Every window of a passage alone in its batch, put together token by token."""
    forward = Forward(checkpoint, "cpu")
    head = cast(TokenClasses, forward.heads.spans[0])
    rows = []
    for window in cut(len(own[0]), checkpoint.window - 2, checkpoint.overlap):
        seen = forward([(own[0][window.start : window.stop], own[1][window.start : window.stop])])
        rows += [own_rows(seen)[0][t - window.start] for t in range(window.own_start, window.own_stop)]
    spans, confidence = plain_reading.token_classes(head, torch.stack(rows).numpy())
    return Answer("ok", spans, confidence)


@pytest.mark.parametrize("tokens", [1, 31, 32, 33, 34, 400])
def test_a_passage_of_any_length_is_read_as_brute_force_reads_it(
    engine: Engine, checkpoint: Checkpoint, tokens: int
) -> None:
    own = passage(tokens, seed=tokens)
    (answer,) = result(engine.submit([own]))
    assert len(answer.spans)
    expected = brute_force(checkpoint, own)
    assert np.array_equal(answer.spans, expected.spans)
    assert np.allclose(answer.confidence, expected.confidence, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), max_size=40),
    seed=st.integers(0, 5),
    lane=st.sampled_from(["stat", "backfill"]),
)
def test_an_answer_has_the_same_bits_in_every_company(
    engine: Engine, lengths: list[int], seed: int, lane: Lane
) -> None:
    """Two readers, other batches, another place in the batch: nothing of it shows."""
    probe = passage(40, seed=99)
    (alone,) = result(engine.submit([probe]))
    company = [passage(n, seed + n) for n in lengths]
    together = result(engine.submit([*company, probe, *company], lane))
    assert same(together[len(company)], alone)
    for a, b in zip(together[: len(company)], together[len(company) + 1 :], strict=True):
        assert same(a, b)


def test_many_clients_at_once_get_what_one_gets(engine: Engine) -> None:
    passages = [passage(n % 60 + 1, n) for n in range(60)]
    expected = result(engine.submit(passages))
    got: dict[int, list[Answer]] = {}

    def ask(number: int) -> None:
        order = np.random.default_rng(number).permutation(60)
        answers = result(engine.submit([passages[i] for i in order]))
        got[number] = [answers[int(np.flatnonzero(order == i)[0])] for i in range(60)]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 6
    assert all(same(a, b) for answers in got.values() for a, b in zip(answers, expected, strict=True))


def test_no_passage_and_passages_without_tokens_are_answered(engine: Engine) -> None:
    assert result(engine.submit([])) == []
    empty, one = result(engine.submit([passage(0), passage(1)]))
    assert empty.status == one.status == "ok"
    assert len(empty.spans) == 0


def test_ten_thousand_passages_of_one_token(engine: Engine) -> None:
    passages = [passage(1, seed=n % 7) for n in range(10_000)]
    answers = result(engine.submit(passages))
    assert len(answers) == 10_000
    assert all(same(answers[n], answers[n % 7]) for n in range(10_000))


def test_a_passage_of_a_hundred_thousand_tokens(engine: Engine) -> None:
    (answer,) = result(engine.submit([passage(100_000)]))
    assert answer.status == "ok"
    assert answer.spans[:, 1].max() <= 100_000
    assert (np.diff(answer.spans[:, 0]) > 0).all()


def test_classes_of_a_long_passage_are_averaged_over_its_windows(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path, "BertForSequenceClassification", ("a", "b", "c"))
    checkpoint = open_checkpoint(folder)
    engine = Engine(checkpoint, "cpu")
    ids, features = passage(150)
    windows = cut(150, checkpoint.window - 2, checkpoint.overlap)
    assert len(windows) > 1
    whole, *parts = result(
        engine.submit(
            [(ids, features), *((ids[w.start : w.stop], features[w.start : w.stop]) for w in windows)]
        )
    )
    owned = [w.own_stop - w.own_start for w in windows]
    mean = np.average([part.classes[0] for part in parts], axis=0, weights=owned)
    assert np.allclose(whole.classes[0], mean, atol=1e-6)
    assert whole.classes[0].sum() == pytest.approx(1, abs=1e-5)
    (nothing,) = result(engine.submit([passage(0)]))
    assert nothing.classes[0].sum() == pytest.approx(1, abs=1e-5)
    engine.close()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_reads_as_the_cpu_does_and_the_same_in_every_company(
    engine: Engine, checkpoint: Checkpoint
) -> None:
    on_gpu = Engine(checkpoint, "cuda")
    passages = [passage(n % 120 + 1, n) for n in range(200)]
    expected, first = result(engine.submit(passages)), result(on_gpu.submit(passages))
    for cpu, gpu, n in zip(expected, first, range(200), strict=True):
        assert np.array_equal(cpu.spans, gpu.spans)
        assert np.allclose(cpu.confidence, gpu.confidence, atol=1e-4)
        assert same(result(on_gpu.submit([passages[n]]))[0], gpu)
    on_gpu.close()


# --- batches -------------------------------------------------------------------------------------


def test_a_batch_is_what_waits_cut_by_the_budget(checkpoint: Checkpoint) -> None:
    engine, gate = gated(checkpoint, budget=64)
    futures = [engine.submit([passage(n)]) for n in (30, 20, 10, 4)]  # 32, 22, 12, 6 with [CLS] and [SEP]
    gate.open.set()
    for future in futures:
        result(future)
    assert gate.batches == [[1], [30, 20, 4], [10]]
    engine.close()


def test_urgent_lanes_go_first_and_what_nobody_waits_for_never_goes(checkpoint: Checkpoint) -> None:
    engine, gate = gated(checkpoint, budget=32)
    backfill = engine.submit([passage(30)], "backfill")
    routine = engine.submit([passage(29)], "routine")
    dropped = engine.submit([passage(28), passage(28)], "routine")
    stat = engine.submit([passage(27)], "stat")
    assert dropped.cancel()
    gate.open.set()
    for future in (backfill, routine, stat):
        result(future)
    assert gate.batches == [[1], [27], [29], [30]]
    engine.close()


class Seen:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int, int]] = []
        self.depths: dict[Lane, int] = {}
        self.seconds = 0.0
        self.count = 0

    def readers(self, count: int) -> None:
        self.count = count

    def batch(self, tokens: int, budget: int, windows: int, seconds: float) -> None:
        self.batches.append((tokens, budget, windows))

    def depth(self, lane: Lane, windows: int) -> None:
        self.depths[lane] = windows

    def busy(self, seconds: float) -> None:
        self.seconds += seconds


def test_an_observer_is_told_of_batches_and_depths(checkpoint: Checkpoint) -> None:
    seen = Seen()
    engine, gate = gated(checkpoint, budget=64, observer=seen)
    futures = [engine.submit([passage(30), passage(30)], "stat"), engine.submit([passage(5)], "backfill")]
    gate.open.set()
    answers = [future.result(30) for future in futures]
    engine.close()
    assert seen.count == 1
    assert seen.batches == [(3, 64, 1), (64, 64, 2), (7, 64, 1)]
    assert seen.depths == {"stat": 0, "routine": 0, "backfill": 0}
    assert seen.seconds > 0
    assert all(answer.queue_ms > 0 and answer.inference_ms > 0 for answer in answers)
