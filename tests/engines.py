"""The engine as a real process, started and killed by tests."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

SERVE = """
import sys
from models.server import serve
{before}
serve(sys.argv[1], sys.argv[2], "cpu", ready=lambda: print("ready", flush=True), hang_seconds={hang_seconds})
"""


class EngineProcess:
    """`before`: Python that runs first, e.g. to break something; a socket lies in `folder`: keep it short."""

    def __init__(self, checkpoint: Path, folder: Path, before: str = "", hang_seconds: float = 30) -> None:
        self.address = f"ipc://{folder}/engine.sock"
        self._code = SERVE.format(before=before, hang_seconds=hang_seconds)
        self._checkpoint = checkpoint
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Returns when it takes requests."""
        self.begin()
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def begin(self) -> None:
        """Returns at once."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._code, str(self._checkpoint), self.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code, and what it said on standard error."""
        assert self.process is not None
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=120)
        return self.process.returncode, said

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
