"""How much may be outstanding at once: who wants more waits, in the order of coming."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress


class Credit:
    """`room`: how much may be outstanding. For one event loop.

    What is larger than the room goes when nothing else is outstanding: it waits, but never for ever.
    """

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.outstanding = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, amount: int) -> float:
        """Returns when `amount` is ours, until it is given back; how many seconds it waited for that."""
        if not self._waiting and self._fits(amount):
            self.outstanding += amount
            return 0.0
        begun = time.monotonic()
        entry = amount, asyncio.get_running_loop().create_future()
        self._waiting.append(entry)
        try:
            await entry[1]
        except asyncio.CancelledError:
            if not entry[1].cancelled():  # let in and cancelled at once
                self.give(amount)
            else:
                with suppress(ValueError):
                    self._waiting.remove(entry)
                self._admit()
            raise
        return time.monotonic() - begun

    def give(self, amount: int) -> None:
        self.outstanding -= amount
        self._admit()

    def allow(self, room: int) -> None:
        """Another room, from now on; less than is outstanding takes nothing back."""
        self.room = room
        self._admit()

    def _fits(self, amount: int) -> bool:
        return not self.outstanding or self.outstanding + amount <= self.room

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            amount, entry = self._waiting.popleft()
            if not entry.done():
                self.outstanding += amount
                entry.set_result(None)
