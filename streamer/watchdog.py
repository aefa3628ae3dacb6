"""When a worker has stood still or got nothing for too long; a thread that ends it when its loop cannot."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

LOOK_S = 0.25
SAY_S = 0.5
"""What the last words are given: who reads them may be what hangs."""


class Progress:
    """How long a worker has got nowhere, from looks at it; time in which it cannot read does not count."""

    def __init__(self, now: float) -> None:
        self._done: object = None
        self._done_at = self._able_at = now

    def waited_s(self, now: float, done: object, begun: float | None, able: bool) -> float:
        """`done`: changes with whatever it finishes. `begun`: when the oldest note being read was begun; one
        that never ends is none the better for the others. `able`: whether there is an engine.
        """
        if not able:
            self._able_at = now
        if done != self._done or not able:
            self._done, self._done_at = done, now
        return max(now - self._done_at, now - max(begun, self._able_at) if begun is not None else 0.0)


class Starved:
    """How long a partition has more notes and none of them comes, from looks at offsets."""

    def __init__(self) -> None:
        self._since: dict[tuple[object, int], float] = {}

    def look(self, now: float, positions: Mapping[Any, int], ends: Mapping[Any, int]) -> None:
        """`positions`: the offset that comes next, by partition; `ends`: that after its last note."""
        behind = [(own, at) for own, at in positions.items() if ends.get(own, 0) > at]
        self._since = {place: self._since.get(place, now) for place in behind}

    def forget(self) -> None:
        """Nothing is asked for just now, or nobody says what there is."""
        self._since.clear()

    def for_s(self, now: float) -> float:
        return now - min(self._since.values(), default=now)


class Watchdog:
    """The loop calls `beat` over and over; when it has not for `most_s` seconds, the process ends (code 1).

    Time in which the whole process was frozen does not count.
    """

    def __init__(
        self,
        most_s: float,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_s, self._end, self._clock = most_s, end, clock
        self._looks = 0
        self._by = math.inf
        self.exit_code = 1
        """Of a process that has not left in time."""

    def start(self) -> None:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self) -> None:
        self._looks = 0

    @property
    def silent_s(self) -> float:
        """Seconds since the last beat."""
        return self._looks * LOOK_S

    def leave(self, seconds: float) -> None:
        """The process ends then at the latest, whatever hangs; may be called in a signal handler."""
        self._by = min(self._by, self._clock() + seconds)

    def look(self) -> None:
        """One look: ends the process if it is time."""
        self._looks += 1
        if self._clock() > self._by:
            self._give_up("this worker took too long to leave")
        elif self.silent_s > self._most_s:
            self._give_up("the event loop of this worker stands still")

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_S)
            self.look()

    def _give_up(self, why: str) -> None:
        if self.exit_code:
            said = f"{why}: the process is ended, and what is not committed is read again"
            saying = threading.Thread(target=log.error, args=(said,), daemon=True)
            saying.start()
            saying.join(SAY_S)
        self._end(self.exit_code)
