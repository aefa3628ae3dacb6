"""One row being run: what it sent, when its faults came, what it waits for, and what is wrong."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from threading import Event

import psutil

from streamer.beside import beside
from streamer.chaos import notes, places
from streamer.chaos.account import Account, Sent, account, longest_pause
from streamer.chaos.bed import Bed, Stage
from streamer.chaos.notes import Load
from streamer.chaos.waiting import NotInTime, wait_until

QUIET_S = 2.0
"""After the last note: what comes twice must show."""
STILL_S = 150.0
"""So long without any note, and the row is given up."""
SAMPLE_S = 0.5
BACKLOG = 300


class Trial:
    """`row`: its number. `limit_s`: every wait of the row ends then."""

    def __init__(self, bed: Bed, row: str, limit_s: float) -> None:
        self.bed, self.row = bed, row
        self.chance = random.Random(f"{bed.plan.seed} {row} faults")
        self.complaints: list[str] = []
        self.remarks: list[str] = []
        self.sent: list[Sent] = []
        self.faults: list[float] = []
        self.compare = False
        self.peak_mb = 0.0
        self._until = time.monotonic() + limit_s
        self._stage: Stage | None = None
        self._before = 0

    # --- where -----------------------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        assert self._stage is not None, "this is a bug: a row begins with `on`"
        return self._stage

    @property
    def staged(self) -> Stage | None:
        return self._stage

    def on(self, stage: Stage, compare: bool = True) -> Stage:
        """The row runs there; `compare`: its records are held against those of an undisturbed run."""
        self._stage, self.compare = stage, compare
        self._before = len(stage.reader.seen.times)
        self.bed.forget()
        return stage

    # --- notes -----------------------------------------------------------------------------------

    def send(self, count: int) -> None:
        """The next notes of this row, all at once."""
        plan = self.bed.plan
        self.put(notes.loads(self.row, count, self.bed.pool, plan.seed, first=len(self.sent)))

    def put(self, loads: Sequence[Load]) -> None:
        lie = places.put(self.stage.at, [(own.key, own.value, own.headers) for own in loads])
        now = time.monotonic()
        self.sent += [Sent(own, place, now) for own, place in zip(loads, lie, strict=True)]

    def stream(self, until: int) -> None:
        """Sends on until the row has sent so many notes, with at most `BACKLOG` waiting; returns when it has.

        A partition's notes then wait for what is wrong, and not for those of other partitions.
        """
        while (left := until - len(self.sent)) > 0:
            self.wait_for(len(self.sent) - BACKLOG // 2)
            self.send(min(left, BACKLOG // 2))

    @property
    def seen(self) -> int:
        """Notes of this row that came out so far."""
        return len(self.stage.reader.seen.times) - self._before

    def wait_for(self, count: float) -> None:
        """Returns when so many of the row's notes came out."""
        self.stage.reader.wait_for(self._before + int(count), self.patience())

    def wait_for_all(self, quiet_s: float = QUIET_S) -> None:
        target = self._before + len(self.sent)
        self.stage.reader.wait_for_the_rest(target, quiet_s, self.patience())

    def shares(self, count: int, low: float = 0.05, high: float = 0.7) -> list[float]:
        """When faults come: random shares of the notes, in order, the same for the same seed."""
        return sorted(self.chance.uniform(low, high) for _ in range(count))

    # --- faults and findings ---------------------------------------------------------------------

    def fault(self) -> None:
        self.faults.append(time.monotonic())

    def require(self, so: bool, complaint: str) -> None:
        if not so:
            self.complaints.append(complaint)

    def until(self, so: Callable[[], bool], seconds: float, what: str) -> float:
        """Seconds that it took; NotInTime when it is not so within `seconds`, or the row's time is over."""
        return wait_until(so, min(seconds, self.patience(seconds)), what)

    def patience(self, most: float = STILL_S) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise NotInTime("the row did not end in its time")
        return min(most, left)

    def account(self) -> Account:
        expected = self.bed.expected if self.compare else None
        return account(self.sent, self.stage.reader.seen, expected)

    @property
    def recovery_s(self) -> float | None:
        """From a fault until notes of every partition flow again, at most; None: there was no fault."""
        if self._stage is None or not self.faults:
            return None
        return longest_pause(self.stage.reader.seen, self.sent, self.faults[0])

    def watched(self) -> AbstractContextManager[None]:
        """Takes the memory of the stage's processes together, again and again; the peak is kept."""

        def watch(over: Event) -> None:
            while not over.wait(SAMPLE_S):
                if self._stage is not None:
                    self.peak_mb = max(self.peak_mb, memory_mb(self._stage))

        return beside("memory", watch)


def memory_mb(stage: Stage) -> float:
    """Resident memory of the stage's processes and their children."""
    total = 0
    for process in stage.processes:
        with suppress(psutil.Error):
            own = psutil.Process(process.pid)
            for one in (own, *own.children(recursive=True)):
                with suppress(psutil.Error):
                    total += one.memory_info().rss
    return total / 1e6
