"""Which alerts fire while a fault lasts, and how soon: the real Prometheus is asked again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from streamer.chaos.waiting import POLL_S
from tests.integration.prometheus import Prometheus

LOOK_S = 0.2
PATIENCE_S = 150.0
"""An alert that does not fire, or is not over, after so long never will."""


@dataclass
class Shown:
    """What came of one alert. Seconds; None: it did not come to that."""

    fault: str
    before: bool
    """Whether it fired already when the fault came."""
    began: float
    mended: float | None = None
    fired_after: float | None = None
    cleared_after: float | None = None
    """After the mend; 0: before, as what it counts did not go on."""


@dataclass
class Watch:
    """Use it in a `with` statement, while Prometheus runs."""

    prometheus: Prometheus
    shown: dict[str, Shown] = field(default_factory=dict)
    firing: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, name="alerts", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def calm(self, seconds: float, work: Callable[[], None]) -> bool:
        """Whether there were so many seconds without any alert, in which `work` was done over and over."""
        until = time.monotonic() + PATIENCE_S
        since = time.monotonic()
        while time.monotonic() < until:
            work()
            if self.firing:
                since = time.monotonic()
            elif time.monotonic() - since > seconds:
                return True
        return False

    def begin(self, fault: str, *alerts: str) -> None:
        """As soon as none of the alerts fires."""
        self._wait(lambda: not self.firing & set(alerts))
        now = time.monotonic()
        self.shown |= {alert: Shown(fault, alert in self.firing, now) for alert in alerts}

    @contextmanager
    def during(self, fault: str, *alerts: str) -> Iterator[None]:
        """The fault is made inside; on leaving, every one of the alerts has fired, or had its time."""
        self.begin(fault, *alerts)
        yield
        self.mend(*alerts)

    def mend(self, *alerts: str) -> None:
        """As soon as they fired, or had their time: from now on they should be over."""
        self._wait(lambda: self.fired(*alerts))
        time.sleep(2 * LOOK_S)  # so that `firing` is of now
        for alert in alerts:
            own = self.shown[alert]
            own.mended = time.monotonic()
            if own.fired_after is not None and alert not in self.firing:
                own.cleared_after = 0.0

    def fired(self, *alerts: str) -> bool:
        return all(self.shown[alert].fired_after is not None for alert in alerts)

    def settle(self, *alerts: str) -> None:
        """Returns when these are over, or had their time."""
        self._wait(lambda: all(self.shown[alert].cleared_after is not None for alert in alerts))

    def _wait(self, so: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not so() and time.monotonic() < until:
            time.sleep(POLL_S)

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.firing, now = self.prometheus.firing(), time.monotonic()
            for alert, own in list(self.shown.items()):
                if own.fired_after is None and alert in self.firing:
                    own.fired_after = now - own.began
                if own.mended is not None and own.cleared_after is None and alert not in self.firing:
                    own.cleared_after = now - own.mended
