"""An engine's speed in the steady state, from its batches as its observer sees them."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from models.types import Lane

FEWEST = 4
"""Batches of each reader below which a speed is chance."""


class Batch(NamedTuple):
    """`ended`: seconds of the monotonic clock; `seconds` it took; `reader`: whose it was."""

    reader: int
    ended: float
    seconds: float
    tokens: int
    budget: int


class Meter:
    """The engine's observer: remembers batches."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def clear(self) -> None:
        self.batches = []

    def each(self, readers: int, batches: int) -> bool:
        """Whether each of the readers has had so many."""
        own = _by_reader(self.batches)
        return len(own) >= readers and all(len(one) >= batches for one in own.values())

    def readers(self, count: int) -> None: ...

    def batch(self, tokens: int, budget: int, windows: int, seconds: float) -> None:
        self.batches.append(Batch(threading.get_ident(), time.monotonic(), seconds, tokens, budget))

    def depth(self, lane: Lane, windows: int) -> None: ...
    def busy(self, seconds: float) -> None: ...


def rate(batches: Sequence[Batch]) -> float:
    """Tokens a second of all readers together.

    Of each reader from the end of its first batch to the end of its last: no run-up and no tail counts.
    """
    return sum(
        sum(batch.tokens for batch in own[1:]) / (own[-1].ended - own[0].ended)
        for own in _by_reader(batches).values()
        if len(own) > 1
    )


def fill(batches: Sequence[Batch]) -> dict[str, float]:
    """`batch_fill`: tokens over budget, smallest batches included; `busy`: of the readers' time."""
    kept = [(own[1:], own[0].ended) for own in _by_reader(batches).values() if len(own) > 1]
    if not kept:
        return {}
    later = [batch for own, _ in kept for batch in own]
    span = sum(own[-1].ended - begun for own, begun in kept)
    return {
        "batch_fill": sum(b.tokens for b in later) / sum(b.budget for b in later),
        "busy": min(sum(b.seconds for b in later) / span, 1.0),
        "batch_seconds": sum(b.seconds for b in later) / len(later),
    }


def _by_reader(batches: Sequence[Batch]) -> dict[int, list[Batch]]:
    readers: dict[int, list[Batch]] = defaultdict(list)
    for batch in batches:
        readers[batch.reader].append(batch)
    return readers
