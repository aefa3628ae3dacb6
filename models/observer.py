"""Who wants to know how the engine goes, and how long its workers wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from models.types import Lane

Waited = Callable[[Lane, float], None]
"""Called once for every request that is answered: its lane, and the seconds that it waited for room at its
worker and in the engine's queue, together."""


def unobserved(lane: Lane, seconds: float) -> None:
    """For a worker whose waits nobody wants to know."""


class Observer(Protocol):
    """Who wants to know how it goes, e.g. the metrics; called from the readers' threads."""

    def readers(self, count: int) -> None: ...
    def batch(self, tokens: int, budget: int, windows: int, seconds: float) -> None: ...
    def depth(self, lane: Lane, windows: int) -> None: ...
    def busy(self, seconds: float) -> None: ...
