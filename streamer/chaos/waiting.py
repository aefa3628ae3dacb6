"""Waiting with an end."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamer.errors import WorldError

POLL_S = 0.05


class NotInTime(WorldError):
    """What was waited for did not come."""


def wait_until(so: Callable[[], bool], seconds: float, what: str) -> float:
    """Returns, with the seconds that it took, when it is so; raises NotInTime after `seconds`."""
    began = time.monotonic()
    while not so():
        if time.monotonic() - began > seconds:
            raise NotInTime(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_S)
    return time.monotonic() - began
