"""Who wants to know how the engine goes."""

from __future__ import annotations

from typing import Protocol

from models.types import Lane


class Observer(Protocol):
    """Who wants to know how it goes, e.g. the metrics; called from the readers' threads."""

    def readers(self, count: int) -> None: ...
    def batch(self, tokens: int, budget: int, windows: int, seconds: float) -> None: ...
    def waited(self, lane: Lane, seconds: float) -> None: ...
    def depth(self, lane: Lane, windows: int) -> None: ...
    def busy(self, seconds: float) -> None: ...
