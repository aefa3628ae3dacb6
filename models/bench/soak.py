"""Whether the engine's memory stays flat however many passages it reads."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import psutil

from models.engine import Engine
from models.requests import Passage

IN_FLIGHT = 256
"""Passages asked for and not yet answered."""
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Soak:
    """This process's resident memory after each tenth of the passages."""

    passages: int
    seconds: float
    megabytes: list[float]
    faults: int

    @property
    def grown(self) -> float:
        """Megabytes between the second point and the last: by the second everything has run in."""
        return self.megabytes[-1] - self.megabytes[1]


def soak(
    engine: Engine,
    passages: Sequence[Passage],
    total: int = 200_000,
    points: int = 10,
    tell: Callable[[int, float], None] | None = None,
) -> Soak:
    """Reads `total` passages, the given ones over and over; `tell`: passages and megabytes at each point."""
    process, source, room = psutil.Process(), cycle(passages), threading.Semaphore(IN_FLIGHT)
    faults = 0

    def answered(future: Future[Any]) -> None:
        nonlocal faults
        faults += future.exception() is not None
        room.release()

    begun, done = time.perf_counter(), 0
    megabytes: list[float] = []
    for point in range(1, points + 1):
        for _ in range(total * point // points - done):
            room.acquire()
            engine.submit([next(source)], "backfill").add_done_callback(answered)
        done = total * point // points
        _drain(room)
        gc.collect()
        megabytes.append(process.memory_info().rss / MEGABYTE)
        if tell:
            tell(done, megabytes[-1])
    return Soak(total, time.perf_counter() - begun, megabytes, faults)


def _drain(room: threading.Semaphore) -> None:
    for _ in range(IN_FLIGHT):
        room.acquire()
    room.release(IN_FLIGHT)
