"""The parent's side of a variant's process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("child.py")
ROOT = CHILD.parents[2]
QUIET = {
    "OMP_WAIT_POLICY": "passive",
    "KMP_BLOCKTIME": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""A process that is not measured right now must not spin, and none may ask the network."""
STOP_SECONDS = 10.0


class PeerFailed(Exception):
    """A peer did not do what it was asked; the message is one line for people."""


class PeerProcess:
    """A peer in a process of its own. Use it in a `with` statement, or `stop` it."""

    def __init__(
        self,
        peer: Path,
        work: Path,
        options: Mapping[str, Any],
        *,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        """`python`: the interpreter of a foreign environment, which then does not see our packages."""
        commands_out, self._commands = os.pipe()
        self._answers, answers_in = os.pipe()
        paths = [] if python else [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with open(log or os.devnull, "wb") as output:
            self._process = subprocess.Popen(
                [
                    *(python or sys.executable, "-P", str(CHILD), str(peer), str(work)),
                    *(json.dumps(dict(options)), str(commands_out), str(answers_in)),
                ],
                env={
                    **os.environ,
                    **QUIET,
                    "PYTHONPATH": os.pathsep.join(paths),
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(commands_out, answers_in),
                start_new_session=True,
            )
        os.close(commands_out)
        os.close(answers_in)
        self._buffer = b""
        self._stopped = False

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, name: str, timeout: float, /, **arguments: Any) -> Any:
        """What the peer's method gave. Raises `PeerFailed`; after a timeout the process is gone."""
        line = json.dumps({"call": name, "with": arguments}).encode() + b"\n"
        try:
            os.write(self._commands, line)
            answer = json.loads(self._line(name, time.monotonic() + timeout))
        except BrokenPipeError:
            raise PeerFailed(self._death()) from None
        if "failed" in answer:
            raise PeerFailed(answer["failed"])
        return answer["gave"]

    def stop(self) -> None:
        """Returns when the process and all that it started are gone. Once is enough."""
        if self._stopped:
            return
        self._stopped = True
        for pipe in (self._commands, self._answers):
            with contextlib.suppress(OSError):
                os.close(pipe)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what the peer left behind

    def _line(self, name: str, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                self._kill()
                raise PeerFailed(f"{name} took too long")
            part = os.read(self._answers, 1 << 16)
            if not part:
                raise PeerFailed(self._death())
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _death(self) -> str:
        code = self._process.wait(STOP_SECONDS)
        died = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"its process ended with {died}"
