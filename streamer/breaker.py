"""When to stop asking a server that fails, and when to try it again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0  # seconds between probes, doubling


class Breaker:
    """Open: the server is not asked. One thread changes it; any may read `is_open`.

    `changed` hears of every opening and closing, and of the start (closed).
    """

    def __init__(self, changed: Callable[[bool], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._changed, self._clock = changed, clock
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0
        self.is_open = False
        changed(False)

    def open(self) -> None:
        """After a failure, a failed probe's too: the next probe is due after a pause twice as long."""
        self._probe_at = self._clock() + self._pause * random.uniform(0.8, 1.2)  # workers spread out
        self._pause = min(self._pause * 2, LAST_PAUSE)
        if not self.is_open:
            self.is_open = True
            self._changed(True)

    def close(self) -> None:
        """After a probe that succeeded."""
        self.is_open = False
        self._changed(False)

    def served(self) -> None:
        """After real work that succeeded: only now is a next pause short again."""
        self._pause = FIRST_PAUSE

    def seconds_to_probe(self) -> float | None:
        """None while closed."""
        return max(0.0, self._probe_at - self._clock()) if self.is_open else None
