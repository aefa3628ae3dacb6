"""A node, `streamer run`, as its operator starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from streamer import settings
from streamer.settings import PREFIX, Settings
from tests.integration.ports import free_port


class Node:
    """`changes` are settings. What it writes goes to `log`, a file in `folder`."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.settings: Settings = settings.load(metrics_port=free_port(), **changes)
        self.page = f"http://127.0.0.1:{self.settings.metrics_port}"
        self.log = folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, patience_s: float = 180) -> Self:
        """Returns when it is ready."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamer", "run"],
                env=inherited | settings.environment(self.settings) | {"OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + patience_s
        while not self.ready:
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)
        return self

    @property
    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.page}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(30)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Its children end with it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
