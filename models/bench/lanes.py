"""How long a stat passage takes while a backfill that never ends keeps the engine full."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from models.engine import Engine
from models.requests import Passage

WAITING_BATCHES = 24
"""Batches of backfill that wait or run at any time."""


@dataclass(frozen=True)
class StatLatency:
    """From `submit` to the answer, of `passages` stat passages; `batch_ms`: what one full batch takes."""

    passages: int
    batch_ms: float
    p50_ms: float
    p99_ms: float
    tokens_per_second: float

    @property
    def p50_batches(self) -> float:
        return self.p50_ms / self.batch_ms

    @property
    def p99_batches(self) -> float:
        return self.p99_ms / self.batch_ms


def stat_latency(
    engine: Engine, stat: Sequence[Passage], backfill: Sequence[Passage], count: int = 300, seed: int = 0
) -> StatLatency:
    """Asks for `count` of the stat passages one by one, at random moments of the running batches.

    The batch time comes from the throughput of the same moments: on a CPU each reader has a core and a batch
    of its own, on a GPU all batches share the device.
    """
    apart = engine.readers if engine.device == "cpu" else 1
    rng = random.Random(seed)
    with _Flood(engine, backfill) as flood:
        flood.run_in()
        begun, read_before = time.perf_counter(), flood.tokens
        own, seconds = 0, list[float]()
        for passage, _ in zip(cycle(stat), range(count), strict=False):
            asked = time.perf_counter()
            engine.submit([passage], "stat", "stat").result()
            seconds.append(time.perf_counter() - asked)
            own += len(passage[0]) + 2
            time.sleep(rng.uniform(0, 2) * float(np.median(seconds)))  # until any moment of a later batch
        elapsed = time.perf_counter() - begun
        speed = (flood.tokens - read_before + own) / elapsed
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    return StatLatency(count, 1e3 * engine.budget * apart / speed, float(p50), float(p99), speed)


class _Flood:
    """Backfill that is asked for again as fast as it is answered. `tokens`: read so far."""

    def __init__(self, engine: Engine, passages: Sequence[Passage]) -> None:
        self._engine = engine
        self._passages = cycle(passages)
        self._lock = threading.Lock()
        self._ended = False
        self._asked: set[Future[Any]] = set()
        self._answered = threading.Semaphore(0)
        self.tokens = 0

    def run_in(self) -> None:
        """Returns when as much as waits at any time was read once."""
        while self.tokens < WAITING_BATCHES * self._engine.budget:
            self._answered.acquire()

    def __enter__(self) -> _Flood:
        tokens = 0
        while tokens < WAITING_BATCHES * self._engine.budget:
            tokens += self._ask()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
            left = list(self._asked)
        for future in left:
            future.cancel()

    def _ask(self) -> int:
        with self._lock:
            if self._ended:
                return 0
            passage = next(self._passages)
            future = self._engine.submit([passage], "backfill", "backfill")
            self._asked.add(future)
        tokens = len(passage[0]) + 2
        future.add_done_callback(lambda done: self._done(done, tokens))
        return tokens

    def _done(self, future: Future[Any], tokens: int) -> None:
        with self._lock:
            self._asked.discard(future)
            self.tokens += tokens
        self._answered.release()
        self._ask()
