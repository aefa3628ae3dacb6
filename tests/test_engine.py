import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.answers import Answer, Answers
from models.checkpoint import Checkpoint, open_checkpoint
from models.engine import Engine
from models.errors import CheckpointError, EngineError
from models.lanes import Lanes
from models.requests import Passage, Rows
from models.types import Lane
from models.windows import cut
from tests.checkpoints import huggingface_folder, tiny, vocabulary

PIECES = len(vocabulary())


def passage(tokens: int, seed: int = 0) -> Passage:
    rng = np.random.default_rng(seed)
    return rng.integers(5, PIECES, tokens, dtype=np.int32), np.zeros(tokens, np.uint8)


def same(a: Answer, b: Answer) -> bool:
    """Bit by bit."""
    arrays = [(a.spans, b.spans), (a.confidence, b.confidence), (a.assertion, b.assertion)]
    arrays += list(zip(a.classes, b.classes, strict=True))
    return a.status == b.status and all(x.tobytes() == y.tobytes() for x, y in arrays)


def result(future: Future[Answers]) -> list[Answer]:
    return future.result(60).answers


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return tiny(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def engine(checkpoint: Checkpoint) -> Any:
    engine = Engine(checkpoint, "cpu")
    yield engine
    engine.close()


class Gate:
    """Stands before the forward pass: holds batches until opened, and remembers them."""

    def __init__(self, engine: Engine) -> None:
        self.inner = engine.forward
        self.open = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        engine.forward = self  # type: ignore[assignment]

    def __call__(self, windows: Sequence[Passage]) -> list[Rows]:
        self.batches.append([len(ids) for ids, _ in windows])
        self.arrived.release()
        assert self.open.wait(30)
        return self.inner(windows)


def gated(checkpoint: Checkpoint, **options: Any) -> tuple[Engine, Gate]:
    """An engine with one reader that is busy with a first batch until the gate opens."""
    engine = Engine(checkpoint, "cpu", readers=1, **options)
    gate = Gate(engine)
    engine.submit([passage(1)])
    assert gate.arrived.acquire(timeout=30)
    return engine, gate


# --- what is answered ----------------------------------------------------------------------------


def brute_force(checkpoint: Checkpoint, own: Passage) -> Answer:
    """Every window of a passage alone in its batch, put together token by token."""
    engine = Engine(checkpoint, "cpu", readers=1)
    head = engine.forward.heads.spans
    assert head is not None
    rows = []
    for window in cut(len(own[0]), checkpoint.window - 2, checkpoint.overlap):
        (seen,) = engine.forward([(own[0][window.start : window.stop], own[1][window.start : window.stop])])
        rows += [seen.tokens[0][t - window.start] for t in range(window.own_start, window.own_stop)]
    engine.close()
    return Answer(
        "ok", *head.read(np.array(rows), checkpoint.word_start[own[0]]), np.zeros((0, 0), np.float32)
    )


@pytest.mark.parametrize("tokens", [1, 31, 32, 33, 34, 400])
def test_a_passage_of_any_length_is_read_as_brute_force_reads_it(
    engine: Engine, checkpoint: Checkpoint, tokens: int
) -> None:
    own = passage(tokens, seed=tokens)
    (answer,) = result(engine.submit([own]))
    assert len(answer.spans)
    assert same(answer, brute_force(checkpoint, own))


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


def test_idle_readers_divide_what_waits() -> None:
    class Item:
        tokens, dropped = 100, False

    lanes: Lanes[Any] = Lanes(sharers=2)
    taken: list[int] = []
    takers = [threading.Thread(target=lambda: taken.append(len(lanes.take(10_000)))) for _ in range(2)]
    for taker in takers:
        taker.start()
    deadline = time.monotonic() + 30
    while lanes.idle < 2 and time.monotonic() < deadline:
        threading.Event().wait(0.001)
    lanes.put([Item() for _ in range(10)], "routine")
    for taker in takers:
        taker.join(30)
    assert sorted(taken) == [5, 5]


class Seen:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int, int]] = []
        self.waits: list[Lane] = []
        self.depths: dict[Lane, int] = {}
        self.seconds = 0.0
        self.count = 0

    def readers(self, count: int) -> None:
        self.count = count

    def batch(self, tokens: int, budget: int, windows: int, seconds: float) -> None:
        self.batches.append((tokens, budget, windows))

    def waited(self, lane: Lane, seconds: float) -> None:
        assert seconds >= 0
        self.waits.append(lane)

    def depth(self, lane: Lane, windows: int) -> None:
        self.depths[lane] = windows

    def busy(self, seconds: float) -> None:
        self.seconds += seconds


def test_an_observer_is_told_of_batches_waits_and_depths(checkpoint: Checkpoint) -> None:
    seen = Seen()
    engine, gate = gated(checkpoint, budget=64, observer=seen)
    futures = [engine.submit([passage(30), passage(30)], "stat"), engine.submit([passage(5)], "backfill")]
    gate.open.set()
    answers = [future.result(30) for future in futures]
    engine.close()
    assert seen.count == 1
    assert seen.batches == [(3, 64, 1), (64, 64, 2), (7, 64, 1)]
    assert seen.waits == ["routine", "stat", "backfill"]
    assert seen.depths == {"stat": 0, "routine": 0, "backfill": 0}
    assert seen.seconds > 0
    assert all(answer.queue_ms > 0 and answer.inference_ms > 0 for answer in answers)


# --- faults --------------------------------------------------------------------------------------


class Small:
    """A device with room for so many tokens at once."""

    def __init__(self, engine: Engine, room: int) -> None:
        self.inner, self.room, self.refused = engine.forward, room, 0
        engine.forward = self  # type: ignore[assignment]

    def __call__(self, windows: Sequence[Passage]) -> list[Rows]:
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

    def forward(windows: Sequence[Passage]) -> list[Rows]:
        rows = inner(windows)
        for (ids, _), own in zip(windows, rows, strict=True):
            if len(ids) == 13:
                own.tokens[0][7, 2] = value
        return rows

    engine.forward = forward  # type: ignore[assignment]
    answers = result(engine.submit([passage(12), passage(13), passage(14)]))
    assert [answer.status for answer in answers] == ["ok", "model-non-finite", "ok"]
    assert len(answers[1].spans) == 0
    engine.close()


def test_a_bug_ends_the_engine_and_says_where_without_quoting_anything(checkpoint: Checkpoint) -> None:
    told: list[str] = []
    engine = Engine(checkpoint, "cpu", readers=1, budget=32, on_bug=told.append)
    gate = Gate(engine)

    def broken(windows: Sequence[Passage]) -> list[Rows]:
        raise KeyError("patient name")

    gate.inner = broken  # type: ignore[assignment]
    running, waiting = engine.submit([passage(30)]), engine.submit([passage(30)])
    gate.open.set()
    for future in (running, waiting):
        with pytest.raises(EngineError, match=r"^KeyError in a batch at test_engine\.py:\d+: this is a bug$"):
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
