"""What waits for the device: windows in lanes, oldest first within a lane, urgent lanes first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from itertools import chain, islice
from typing import Generic, Protocol, TypeVar

from models.types import LANES, Lane
from models.windows import pack

LOOK_AHEAD = 256
"""How many waiting windows are tried to fill up a batch."""

LEAST_SHARE = 256
"""Tokens below which dividing what waits among idle takers gains nothing."""


class Waiting(Protocol):
    """One window in the queue. `tokens` counts [CLS] and [SEP]; `dropped`: nobody wants it any more."""

    @property
    def tokens(self) -> int: ...
    @property
    def dropped(self) -> bool: ...


Item = TypeVar("Item", bound=Waiting)


class Lanes(Generic[Item]):
    """A thread-safe queue that gives whole batches.

    `sharers`: how many takers have a device of their own: what waits is divided among those that are free,
    so that one note is read on all cores at once.
    """

    def __init__(self, sharers: int = 1) -> None:
        self._lanes: dict[Lane, deque[Item]] = {lane: deque() for lane in LANES}
        self._changed = threading.Condition()
        self._sharers = sharers
        self._tokens = 0
        self._idle = 0
        self._closed = False

    def put(self, items: Iterable[Item], lane: Lane) -> bool:
        """False: the queue is closed, and took nothing."""
        with self._changed:
            if self._closed:
                return False
            before = len(self._lanes[lane])
            self._lanes[lane].extend(items)
            self._tokens += sum(item.tokens for item in islice(self._lanes[lane], before, None))
            self._changed.notify_all()
            return True

    def take(self, budget: int) -> list[Item]:
        """The next batch, at most `budget` tokens or one window; waits for it. Empty: closed."""
        with self._changed:
            self._idle += 1
            try:
                while True:
                    self._changed.wait_for(lambda: self._closed or self._tokens)
                    if self._closed:
                        return []
                    share = max(-(-self._tokens // min(self._sharers, self._idle)), LEAST_SHARE)
                    if batch := self._next(min(budget, share)):
                        return batch
            finally:
                self._idle -= 1

    def depth(self, lane: Lane) -> int:
        return len(self._lanes[lane])

    @property
    def idle(self) -> int:
        """Takers that wait."""
        return self._idle

    def close(self) -> list[Item]:
        """No more batches; gives back what was still waiting."""
        with self._changed:
            self._closed = True
            left = list(chain(*self._lanes.values()))
            for lane in self._lanes.values():
                lane.clear()
            self._changed.notify_all()
            return left

    def _next(self, budget: int) -> list[Item]:
        """First fit over the lanes in order; forgets what was dropped."""
        ahead: list[tuple[Lane, Item]] = []
        for lane, waiting in self._lanes.items():
            while waiting and len(ahead) < LOOK_AHEAD:
                item = waiting.popleft()
                if item.dropped:
                    self._tokens -= item.tokens
                else:
                    ahead.append((lane, item))
        chosen = set(pack((item.tokens for _, item in ahead), budget))
        for index in range(len(ahead) - 1, -1, -1):
            if index not in chosen:
                lane, item = ahead[index]
                self._lanes[lane].appendleft(item)
        batch = [item for index, (_, item) in enumerate(ahead) if index in chosen]
        self._tokens -= sum(item.tokens for item in batch)
        return batch
