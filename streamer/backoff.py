"""How long to wait before the next try: longer each time, and never as long as the neighbour waits."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses that double from `first` to at most `longest` seconds, each shortened by up to half at random.

    What failed together then does not come back together (the "equal jitter" of
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). `chance`: from [0, 1).
    """

    def __init__(self, first: float, longest: float, chance: Callable[[], float] = random.random) -> None:
        self._first, self._longest, self._chance = first, longest, chance
        self._next = first

    def pause(self) -> float:
        """Seconds to wait now; the next pause is longer."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        """After a success: the next pause is a first one again."""
        self._next = self._first
