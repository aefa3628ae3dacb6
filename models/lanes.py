"""What waits for the device: windows in lanes, urgent lanes first, and within a lane the workers in turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from itertools import islice
from math import inf
from typing import Generic, Protocol, TypeVar

from models.types import LANES, Lane

TURN = 512
"""Tokens that one worker may have read before it is the next one's turn: a window of the usual length."""
LOOK_AHEAD = 256
"""How many waiting windows are tried to fill up a batch."""
FULL = 64
"""A batch is full when no more than its 64th part is free."""
LEAST_PART = 16
"""However much waits that is more urgent: a lane gets at least a 16th of the tokens read while it waits."""
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
    """A thread-safe queue that gives whole batches. What a batch costs does not depend on how much waits.

    `sharers`: how many takers have a device of their own: what waits is divided among those that are free,
    so that one note is read on all cores at once.
    """

    def __init__(self, sharers: int = 1) -> None:
        self._lanes: dict[Lane, _Turns[Item]] = {lane: _Turns() for lane in LANES}
        self._changed = threading.Condition(threading.Lock())
        self._sharers = sharers
        self._idle = 0
        self._closed = False

    def put(self, items: Iterable[Item], lane: Lane, owner: Hashable = None) -> bool:
        """`owner`: whose windows these are. False: the queue is closed, and took nothing."""
        with self._changed:
            if self._closed:
                return False
            self._lanes[lane].put(items, owner)
            self._changed.notify_all()
            return True

    def take(self, budget: int) -> list[Item]:
        """The next batch, at most `budget` tokens or one window; waits for it. Empty: closed."""
        with self._changed:
            self._idle += 1
            try:
                while True:
                    while not (self._closed or (tokens := self._tokens())):
                        self._changed.wait()
                    if self._closed:
                        return []
                    share = max(-(-tokens // min(self._sharers, self._idle)), LEAST_SHARE)
                    if batch := self._next(min(budget, share)):
                        return batch
            finally:
                self._idle -= 1

    def depth(self, lane: Lane) -> int:
        """Windows that wait."""
        return self._lanes[lane].windows

    @property
    def idle(self) -> int:
        """Takers that wait."""
        return self._idle

    def close(self) -> list[Item]:
        """No more batches; gives back what was still waiting."""
        with self._changed:
            self._closed = True
            left = [item for turns in self._lanes.values() for item in turns.clear()]
            self._changed.notify_all()
            return left

    def _tokens(self) -> int:
        return sum(turns.tokens for turns in self._lanes.values())

    def _next(self, budget: int) -> list[Item]:
        """What lanes are owed, then lane after lane in turn, and what else fits into the rest.

        So the window whose turn it is goes first in the next batch at the latest, and the budget is filled.
        """
        batch: _Batch[Item] = _Batch(budget)
        batch.free -= budget // 2  # debts may not crowd out a passage that is urgent
        for turns in self._lanes.values():
            turns.pay(batch)
        batch.free += budget // 2
        if all(turns.in_turn(batch) for turns in self._lanes.values()):
            return batch.items
        looks = LOOK_AHEAD
        for turns in self._lanes.values():
            looks = turns.whatever_fits(batch, looks)
        for turns in self._lanes.values():
            turns.owe((budget - batch.free) // LEAST_PART)
        return batch.items


class _Batch(Generic[Item]):
    def __init__(self, budget: int) -> None:
        self.items: list[Item] = []
        self.free = budget
        self._enough = budget // FULL

    @property
    def full(self) -> bool:
        return self.free <= self._enough

    def fits(self, item: Item) -> bool:
        return item.tokens <= self.free or not self.items

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.free -= item.tokens


class _Share(Generic[Item]):
    """One worker's windows, oldest first; `credit`: tokens left of its turn, below 0 what it is ahead."""

    def __init__(self, owner: Hashable) -> None:
        self.owner = owner
        self.waiting: deque[Item] = deque()
        self.credit = TURN


class _Turns(Generic[Item]):
    """One lane: surplus round robin over its workers (Adiseshu, Parulkar, Varghese 1996)."""

    def __init__(self) -> None:
        self.tokens = self.windows = 0
        self._shares: dict[Hashable, _Share[Item]] = {}
        self._ring: deque[_Share[Item]] = deque()
        self._owed = 0

    def put(self, items: Iterable[Item], owner: Hashable) -> None:
        share = self._shares.get(owner)
        if share is None:
            share = self._shares[owner] = _Share(owner)
            self._ring.append(share)
        items = list(items)
        share.waiting.extend(items)
        self.windows += len(items)
        self.tokens += sum(item.tokens for item in items)

    def in_turn(self, batch: _Batch[Item], most: float = inf) -> bool:
        """Windows in turn, at most `most` tokens of them. False: one is left, and the next does not fit."""
        while self._ring:
            share = self._ring[0]
            while share.waiting and share.credit > 0:
                item = share.waiting[0]
                if item.dropped:
                    self._gone(item)
                elif batch.fits(item) and item.tokens <= most:
                    batch.add(item)
                    share.credit -= item.tokens
                    most -= item.tokens
                    self._taken(item)
                else:
                    return False
                share.waiting.popleft()
            self._pass_on(share)
        return True

    def whatever_fits(self, batch: _Batch[Item], looks: int) -> int:
        """Out of turn, but on each worker's account; gives how many of `looks` looks are left."""
        for share in self._ring:
            chosen: list[int] = []
            for index, item in enumerate(islice(share.waiting, looks)):
                if batch.full:
                    break
                looks -= 1
                if item.tokens <= batch.free and not item.dropped:
                    chosen.append(index)
                    batch.add(item)
                    share.credit -= item.tokens
                    self._taken(item)
            for index in reversed(chosen):
                del share.waiting[index]
            if batch.full or not looks:
                return 0
        return looks

    def pay(self, batch: _Batch[Item]) -> None:
        """What more urgent lanes have kept this one from."""
        if self._owed > 0:
            self.in_turn(batch, self._owed)

    def owe(self, tokens: int) -> None:
        self._owed = max(self._owed, 0) + tokens if self.windows else 0

    def clear(self) -> list[Item]:
        left = [item for share in self._ring for item in share.waiting]
        self._ring.clear()
        self._shares.clear()
        self.tokens = self.windows = 0
        return left

    def _taken(self, item: Item) -> None:
        self._owed -= item.tokens
        self._gone(item)

    def _gone(self, item: Item) -> None:
        self.windows -= 1
        self.tokens -= item.tokens

    def _pass_on(self, share: _Share[Item]) -> None:
        """The next worker's turn; one that has nothing waiting is forgotten, and its credit with it."""
        if share.waiting:
            share.credit += TURN
            self._ring.rotate(-1)
        else:
            self._ring.popleft()
            del self._shares[share.owner]
