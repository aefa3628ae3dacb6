"""Per partition: the finished prefix of what was taken in is published, in offset order, as one unit.

Notes finish in any order; a note is released only when every note before it is. How a run of them is
published and its offset committed is the publisher's affair: `streamer.delivery`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from streamer import metrics, topics
from streamer.topics import Incoming, Outgoing

CADENCE_S = 0.1
"""Least time between the starts of two releases of one partition."""
REST = 3.0
"""So many times as long as a release took lies between its start and the next one's, at most `COMPANY_S`:
brokers that are slow, or have many partitions to serve, get fewer and larger ones.
"""
COMPANY, COMPANY_S = 0.1, 1.0
"""A run waits for notes still being read: so much of the age of its oldest, and so many seconds at most."""
RUN_NOTES, RUN_BYTES = 4096, 16_000_000
"""At most so much in one release."""


class Partition(NamedTuple):
    """A partition of the input topic; equal to Faust's and aiokafka's own pairs."""

    topic: str
    partition: int


class Slot:
    """The place of one note in its partition's order; `outgoing` is set once, when the note is finished."""

    __slots__ = ("incoming", "outgoing", "since", "size")

    def __init__(self, incoming: Incoming) -> None:
        self.incoming = incoming
        self.outgoing: Outgoing | None = None
        self.since = time.time()
        self.size = sum(topics.size(incoming))


class Prefix:
    """Notes in offset order: only those before which nothing is unfinished can leave."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()
        self._next = -1
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._slots)

    def take(self, incoming: Incoming) -> Slot | None:
        """A place at the end; None for an offset that was taken before."""
        if incoming.offset < self._next:
            return None
        self._next = incoming.offset + 1
        slot = Slot(incoming)
        self._slots.append(slot)
        self.bytes += slot.size
        return slot

    @property
    def ready(self) -> bool:
        return bool(self._slots) and self._slots[0].outgoing is not None

    @property
    def oldest(self) -> float | None:
        """Unix time at which the first of them was taken."""
        return self._slots[0].since if self._slots else None

    def finished(self) -> list[Slot]:
        """The finished prefix, at most `RUN_NOTES` notes and about `RUN_BYTES` bytes; it stays in place."""
        run: list[Slot] = []
        room = RUN_BYTES
        for slot in self._slots:
            if slot.outgoing is None or len(run) == RUN_NOTES or room < 0:
                break
            run.append(slot)
            room -= len(slot.outgoing.value or b"")
        return run

    def remove(self, count: int) -> None:
        """Forget the first `count` notes: they are committed."""
        for _ in range(count):
            self.bytes -= self._slots.popleft().size


class Publisher(Protocol):
    """Where the finished notes of one partition go."""

    async def start(self) -> None:
        """Returns when no predecessor can publish or commit for this partition any more."""

    async def publish(self, run: Sequence[Slot], after: int) -> None:
        """Publish every note of the run, which may be empty, and commit the offset `after`, which lies behind
        its last; raises if it could not.
        """

    async def stop(self) -> None:
        """Let go of connections; what was not published is not."""


class Release:
    """One partition in one generation of the consumer group; publishes the finished prefix as it grows."""

    def __init__(
        self,
        partition: Partition,
        generation: int,
        publisher: Publisher,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.partition = partition
        self.generation = generation
        self.prefix = Prefix()
        self.closed = False
        self.released = 0
        self._publisher = publisher
        self._fail = fail
        self._ready = asyncio.Event()
        self._whole = asyncio.Event()
        self._closing = asyncio.Event()
        self._unfinished = 0
        self._reached = self._committed = -1
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._publisher.start()
        self._task = asyncio.create_task(self._release(), name=f"release-{self.partition.partition}")

    def take(self, incoming: Incoming) -> Slot | None:
        slot = self.prefix.take(incoming)
        if slot is not None:
            self._unfinished += 1
            self._whole.clear()
        return slot

    def finish(self, slot: Slot, outgoing: Outgoing) -> None:
        """The note's answer is known. Nothing happens when this generation is over."""
        if self.closed:
            return
        slot.outgoing = outgoing
        self._unfinished -= 1
        if not self._unfinished:
            self._whole.set()
        if self.prefix.ready:
            self._ready.set()

    def reach(self, offset: int) -> None:
        """All that is no note before `offset`, such as the end of a transaction, was passed over."""
        self._reached = max(self._reached, offset)
        if not len(self.prefix):
            self._ready.set()

    async def close(self, deadline: float) -> None:
        """Release what can be until `deadline` (the loop's time); the rest is left to a successor."""
        self.closed = True
        self._closing.set()
        self._ready.set()
        self._whole.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
            self._task.cancel()
        await self._publisher.stop()

    async def _release(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                while due := self._due():
                    begun, age = loop.time(), time.time() - due[0][0].since if due[0] else 0.0
                    await self._publish(*due)
                    await self._gather(begun, age)
                if self.closed:
                    return
        except Exception as error:
            self._fail(error)

    async def _gather(self, begun: float, age: float) -> None:
        """Returns when the next run may go, `begun` being when the last did: a release costs the brokers more
        than the notes in it, and under a backlog, where notes are old, nobody waits for this one.
        """
        loop = asyncio.get_running_loop()
        took = loop.time() - begun
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), max(CADENCE_S, min(REST * took, COMPANY_S)) - took)
        left = begun + min(age * COMPANY, COMPANY_S) - loop.time()
        if left > 0 and self._unfinished:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._whole.wait(), left)

    def _due(self) -> tuple[list[Slot], int] | None:
        """The finished prefix and the offset to commit with it; None: there is nothing to be done."""
        run = self.prefix.finished()
        after = run[-1].incoming.offset + 1 if run else -1
        if len(run) == len(self.prefix):
            after = max(after, self._reached)
        return (run, after) if after > self._committed else None

    async def _publish(self, run: list[Slot], after: int) -> None:
        started = time.perf_counter()
        await self._publisher.publish(run, after)
        self._committed = after
        if not run:
            return
        metrics.released(len(run), time.perf_counter() - started)
        for slot in run:
            assert slot.outgoing is not None
            metrics.note_out(slot.incoming.timestamp, slot.outgoing.reason)
        self.prefix.remove(len(run))
        self.released += len(run)
