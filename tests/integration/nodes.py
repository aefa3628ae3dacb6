"""The processes under test: workers and nodes with settings of their own, ended and started as one likes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

import psutil

from tests.integration.ledger import ROOT, Topics


class Process:
    """A process of the service; its standard error is kept."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.command, self.environment, self.log = list(command), environment, log
        self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command, env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def start(self) -> None:
        assert self.exit_code is not None
        self._process = self._launch()

    def wait_until_assigned(self, seconds: float = 60.0) -> None:
        """Of a worker: it has joined the group, and says so in its state folder."""
        sign = Path(self.environment["STREAMER_STATE_DIR"]) / f"ready-{self.pid}"
        until = time.monotonic() + seconds
        while not sign.exists():
            assert self.exit_code is None, f"exit {self.exit_code}: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < until, "no assignment"
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def stop(self, seconds: float = 15.0) -> int:
        if self.exit_code is None:
            self._process.terminate()
        return self._process.wait(seconds)

    def end(self) -> None:
        """At a test's end, however it went."""
        if self.exit_code is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def echo_workers(at: Topics, count: int, folder: Path, **more: str) -> Iterator[list[Process]]:
    """Workers of tests/integration/echo.py; `pause_ms`: the longest pause a note takes."""
    pause = more.pop("pause_ms", "20")
    state = folder / "state"
    state.mkdir(exist_ok=True)
    environment = at.environment(state_dir=str(state), **more) | {"ECHO_PAUSE_MS": pause}
    command = [sys.executable, str(Path(__file__).with_name("echo.py"))]
    workers = [Process(command, environment, folder / f"worker-{n}.log") for n in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


class Node(Process):
    """`streamer run` with a metrics page on a port of its own choice."""

    def __init__(self, at: Topics, folder: Path, name: str = "node", **more: str) -> None:
        more = {"state_dir": str(folder / f"{name}-state"), "metrics_port": "0"} | more
        super().__init__(
            [sys.executable, "-m", "streamer", "run"], at.environment(**more), folder / f"{name}.log"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def address(self) -> str | None:
        """Host and port of the metrics page, from the last such line that the node logged."""
        lines = [line for line in self.log.read_text().splitlines() if "metrics at http://" in line]
        return lines[-1].rsplit("http://", 1)[1].split("/")[0] if lines else None

    def wait_until_ready(self, seconds: float = 150.0) -> None:
        until = time.monotonic() + seconds
        while not self._ready():
            assert self.exit_code is None, f"exit {self.exit_code}: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < until, f"not ready after {seconds} s: {self.log.read_text()[-2000:]}"
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return self.address is not None and self.get("/readyz")[0] == 200
        except (OSError, HTTPException):
            return False

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the node's."""
        assert self.address is not None
        connection = HTTPConnection(self.address, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def children(self) -> dict[str, int]:
        """Process ids of this node's engine and workers."""
        found: dict[str, int] = {}
        for child in psutil.Process(self.pid).children():
            for half in ("engine", "worker"):
                if half in child.cmdline()[-1:]:
                    found[half] = child.pid
        return found
