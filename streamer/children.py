"""A process that is kept alive: started, started anew when it dies, and gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from streamer.backoff import Backoff

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
FROZEN_S = 10.0
"""A process that has not touched its ready file for so long, though it did before, is not ready."""
REFUSED = 2
"""Exit code of a wrong call or setting: another first start would not help."""
_UNTIL_PARENT_DIES = (
    "import ctypes, os, sys; "
    "ctypes.CDLL(None).prctl(1, int(sys.argv[1])); "  # PR_SET_PDEATHSIG; outlives exec
    "os.getppid() == int(sys.argv[2]) or sys.exit(1); "
    "os.execvp(sys.argv[3], sys.argv[3:])"
)


@dataclass(frozen=True)
class Job:
    """What to run. `orphaned`: the signal it gets when its parent dies."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    orphaned: signal.Signals = signal.SIGTERM


class Child:
    """Keeps one job's process alive until `stop`.

    `ready_file` gives the file that exists while the process of that id is ready; `ended` is told the id of
    each process that died. `touches`: it touches its ready file again and again while its event loop turns.
    """

    def __init__(
        self,
        job: Job,
        ready_file: Callable[[int], Path],
        ended: Callable[[int], None],
        touches: bool = False,
    ) -> None:
        self.job = job
        self.starts = 0
        self.was_ready = False
        self.served = False
        """Was ready in any of its lives: what is refused since then (a topic that went) can be mended."""
        self.exit_code: int | None = None
        self._ready_file = lru_cache(maxsize=2)(ready_file)
        """Made once a process: each path that is made interns its parts, and the table of these grows."""
        self._ended = ended
        self._process: Process | None = None
        self._stopping = False
        self._touches = touches
        self._touch, self._touch_seen = (0, 0), 0.0

    @property
    def pid(self) -> int | None:
        """None between two lives."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def ready(self) -> bool:
        pid = self.pid
        ready = pid is not None and self._ready_file(pid).exists() and self.silent_s <= FROZEN_S
        self.was_ready, self.served = self.was_ready or ready, self.served or ready
        return ready

    @property
    def silent_s(self) -> float:
        """Seconds since a touch of the ready file was first seen here: 0 for one that is not there, or not
        touched. To be asked often.
        """
        pid = self.pid
        if pid is None or not self._touches:
            return 0.0
        try:
            touch = pid, self._ready_file(pid).stat().st_mtime_ns
        except FileNotFoundError:
            touch = pid, 0
        if touch != self._touch or not touch[1]:
            self._touch, self._touch_seen = touch, time.monotonic()
        return time.monotonic() - self._touch_seen

    async def keep(self) -> int:
        """Returns the last exit code: after `stop`, or of a first start that was refused."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            code = await self._live()
            if self._over(code):
                return code
            if self.was_ready:
                backoff.reset()
            pause = backoff.pause()
            log.warning("the %s ended with exit code %d; a new start in %.1f s", self.job.name, code, pause)
            await asyncio.sleep(pause)
            if self._over(code):
                return code

    async def stop(self, patience: float) -> None:
        """SIGTERM; SIGKILL after `patience` seconds. Returns when the process is gone."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            log.warning("the %s does not end; it is killed", self.job.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _over(self, code: int) -> bool:
        return self._stopping or (code == REFUSED and not self.served)

    async def _live(self) -> int:
        self.starts += 1
        self.was_ready = False
        self._process = process = await asyncio.create_subprocess_exec(
            *bound_to_us(self.job.command, self.job.orphaned),
            env=dict(self.job.environment),
            start_new_session=True,
        )
        code = await process.wait()
        self.exit_code = code
        self._ready_file(process.pid).unlink(missing_ok=True)
        self._ended(process.pid)
        return code


def bound_to_us(command: Sequence[str], orphaned: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command, run so that it gets a signal when we die, even of SIGKILL (Linux only)."""
    if sys.platform != "linux":
        return list(command)
    wrapper = [sys.executable, "-I", "-S", "-c", _UNTIL_PARENT_DIES]
    return [*wrapper, str(int(orphaned)), str(os.getpid()), *command]


def ready_file(folder: Path | None, pid: int) -> Path | None:
    """Exists while the process is ready; how its supervisor knows. None when there is no state folder."""
    return None if folder is None else folder / f"ready-{pid}"
