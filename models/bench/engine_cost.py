"""What the engine's own Python costs, its trunk left out: the bound on what one process can feed a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import torch

from models import wire
from models.checkpoint import Checkpoint
from models.engine import Engine
from models.forward import Forward, Projected
from models.reading import Reading
from models.requests import Passage

BUDGET = 16384
"""Tokens a batch, as on a GPU: what a batch costs once is shared by so many."""
AWAY = 0.002
"""Seconds that the stand-in for the device takes for a batch: meanwhile requests gather, as in a backlog."""
TIMES = 30


@dataclass(frozen=True)
class EngineCost:
    """Each the best of some rounds, on one core.

    `tags_per_second`: tokens of which projected tags become spans and confidences; `read_per_second`: through
    every head. `microseconds`: a passage's way from the bytes of its request to the bytes of its answer, but
    for what is done on the device: unpack, submit, queue, batch, answer, pack.
    """

    tags_per_second: float
    read_per_second: float
    microseconds: float
    passages_per_request: int


def engine_cost(
    checkpoint: Checkpoint, passages: Sequence[Passage], per_request: int = 8, count: int = 4000
) -> EngineCost:
    """Reads a batch of `passages` once with the real trunk, on the CPU; takes seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        forward = Forward(checkpoint, "cpu")
        windows = _fill(passages, checkpoint.window - 2)
        batch = forward(windows)
        tags = Reading(forward.heads._replace(assertion=None), checkpoint.word_start, forward.device)
        every = Reading(forward.heads, checkpoint.word_start, forward.device)
        return EngineCost(
            len(batch.ids) / _best(lambda: tags.batch(batch), time.perf_counter),
            len(batch.ids) / _best(lambda: every.batch(batch), time.perf_counter),
            _glue(checkpoint, windows, per_request, count),
            per_request,
        )
    finally:
        torch.set_num_threads(threads)


class _Stand:
    """Stands in for the device: every batch of so many windows is read the same, once."""

    def __init__(self, engine: Engine) -> None:
        self._forward, self._batch = engine.forward, engine._reading.batch
        self._answers: dict[int, Any] = {}
        engine.forward = self.forward  # type: ignore[assignment]
        engine._reading.batch = self.read  # type: ignore[method-assign, assignment]

    def forward(self, windows: Sequence[Passage]) -> Sequence[Passage]:
        time.sleep(AWAY)
        return windows

    def read(self, windows: Any) -> Any:
        if len(windows) not in self._answers:
            encoded: Projected = self._forward(windows)
            self._answers[len(windows)] = self._batch(encoded)
        return self._answers[len(windows)]


def _glue(checkpoint: Checkpoint, windows: Sequence[Passage], per_request: int, count: int) -> float:
    engine = Engine(checkpoint, "cpu", BUDGET, readers=1)
    _Stand(engine)
    source = cycle(windows)
    requests = [wire.pack_passages(list(islice(source, per_request))) for _ in range(count // per_request)]
    shape = checkpoint.encoder

    def run() -> None:
        asked = [
            engine.submit(wire.unpack_passages(request, shape.vocab_size, shape.features))
            for request in requests
        ]
        for number, future in enumerate(asked):
            wire.pack_answers(number, future.result())

    try:
        return _best(run, time.process_time, 5) / (len(requests) * per_request) * 1e6
    finally:
        engine.close()


def _fill(passages: Sequence[Passage], longest: int) -> list[Passage]:
    """As many as a batch holds; of longer ones the beginning."""
    windows: list[Passage] = []
    tokens = 0
    for ids, features in cycle(passages):
        tokens += min(len(ids), longest) + 2
        if tokens > BUDGET:
            return windows
        windows.append((ids[:longest], features[:longest]))
    return windows


def _best(work: Callable[[], object], clock: Callable[[], float], times: int = TIMES) -> float:
    """Seconds, after a first time that does not count."""
    work()
    taken = []
    for _ in range(times):
        begun = clock()
        work()
        taken.append(clock() - begun)
    return min(taken)
