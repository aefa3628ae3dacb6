"""The notes that this worker holds: waiting, being read, or finished and not yet released."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from streamer import metrics
from streamer.release import Partition, Publisher, Release, Slot
from streamer.topics import Incoming, Outgoing

READING = 512
"""Notes that are read at the same time; the rest of those taken in wait as the bytes they came as."""
HELD_BYTES = 64_000_000
"""Bytes of unreleased notes above which nothing more is taken in."""
RELEASE_S = 1.5
"""What a release under way is given after the last note was waited for."""


@dataclass(frozen=True)
class Run:
    """Consecutive records of one partition, fetched in one generation of the consumer group.

    `reached`: up to there nothing else is a note, though no record of it says so.
    """

    partition: Partition
    generation: int
    records: Collection[Incoming] = ()
    reached: int | None = None


class Worklist:
    """Reads every note it is given, each in a task of its own, and has them released in offset order.

    `annotate` gives a note's one answer. What it raises is a bug: `fail` is told once, and the process is
    expected to end; the note stays uncommitted.
    """

    def __init__(
        self,
        annotate: Callable[[Incoming], Awaitable[Outgoing]],
        publisher: Callable[[Partition], Publisher],
        fail: Callable[[BaseException], None],
        most: int,
    ) -> None:
        self._annotate = annotate
        self._publisher = publisher
        self._fail = fail
        self._most = most
        self._releases: dict[Partition, Release] = {}
        self._waiting: deque[tuple[Release, Slot]] = deque()
        self._reading: dict[asyncio.Task[None], float] = {}
        self._released_before = 0
        self.read = 0
        self.joined = False
        """Whether this worker has had its first assignment, be it an empty one."""

    # --- a generation begins ---------------------------------------------------------------------

    async def fence(self, partitions: Iterable[Partition], generation: int) -> None:
        """A started publisher for every partition: no predecessor can commit for it any more.

        To be called before committed offsets are read. Does nothing for a partition that has one.
        """
        wanted = {Partition(*partition) for partition in partitions}
        for partition in set(self._releases) - wanted:
            await self._drop(partition)
        new = [p for p in wanted if p not in self._releases or self._releases[p].generation != generation]
        for partition in new:
            await self._drop(partition)
        await asyncio.gather(*[self._open(partition, generation) for partition in new])
        metrics.assigned(len(self._releases))
        self.joined = True

    async def _open(self, partition: Partition, generation: int) -> None:
        release = Release(partition, generation, self._publisher(partition), self._fail)
        await release.start()
        self._releases[partition] = release

    async def _drop(self, partition: Partition) -> None:
        release = self._releases.pop(partition, None)
        if release is not None:
            self._released_before += release.released
            await release.close(asyncio.get_running_loop().time())

    # --- notes come in ---------------------------------------------------------------------------

    def take(self, run: Run) -> None:
        """Begin with the notes of a run; those of a generation that is over belong to someone else now."""
        release = self._releases.get(run.partition)
        if release is None or release.closed or release.generation != run.generation:
            return
        taken = 0
        for incoming in run.records:
            slot = release.take(incoming)
            if slot is not None:
                self._waiting.append((release, slot))
                taken += 1
        if run.reached is not None:
            release.reach(run.reached)
        metrics.note_in(taken)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._reading) < READING:
            release, slot = self._waiting.popleft()
            if not release.closed:
                task = asyncio.create_task(self._read(release, slot))
                self._reading[task] = time.monotonic()
                task.add_done_callback(self._ended)

    async def _read(self, release: Release, slot: Slot) -> None:
        try:
            outgoing = await self._annotate(slot.incoming)
        except Exception as error:
            self._fail(error)
        else:
            self.read += 1
            release.finish(slot, outgoing)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._reading.pop(task, None)
        self._start_waiting()

    # --- how full it is --------------------------------------------------------------------------

    @property
    def unreleased(self) -> int:
        return sum(len(release.prefix) for release in self._releases.values())

    @property
    def released(self) -> int:
        """Notes committed since the start."""
        return self._released_before + sum(release.released for release in self._releases.values())

    @property
    def begun(self) -> float | None:
        """`time.monotonic` at which the first of the notes being read was begun; None: none is."""
        return next(iter(self._reading.values()), None)

    @property
    def partitions(self) -> Collection[Partition]:
        return self._releases.keys()

    @property
    def full(self) -> bool:
        """True while nothing more should be taken in: the back-pressure on the brokers."""
        held = sum(release.prefix.bytes for release in self._releases.values())
        return self.unreleased >= self._most or held >= HELD_BYTES

    @property
    def oldest(self) -> float | None:
        """Unix time at which the first of the unreleased notes was taken in; None: there are none."""
        ages = [release.prefix.oldest for release in self._releases.values()]
        return min((age for age in ages if age is not None), default=None)

    def report(self) -> None:
        """Bring the metrics of what is held up to date."""
        metrics.unreleased(self.unreleased, self.oldest)

    # --- a generation ends -----------------------------------------------------------------------

    async def drain(self, seconds: float) -> bool:
        """Forget what was not begun, wait for what was, release it, and close every partition.

        True when every note that was begun is committed; the others are read again by whoever gets them.
        """
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        self._waiting.clear()
        if self._reading:
            await asyncio.wait(set(self._reading), timeout=seconds)
        complete = not self._reading
        for task in self._reading:
            task.cancel()
        left = max(0.0, seconds - (time.monotonic() - started))
        deadline = loop.time() + min(left, seconds) + RELEASE_S
        releases, self._releases = list(self._releases.values()), {}
        await asyncio.gather(*[release.close(deadline) for release in releases])
        self._released_before += sum(release.released for release in releases)
        metrics.assigned(0)
        self.report()
        return complete
