"""Processes of the service with settings of their own, ended, frozen and started as one likes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Self

import psutil

from streamer import local_node
from streamer.chaos.places import ROOT, Topics
from streamer.chaos.waiting import NotInTime, wait_until
from streamer.children import bound_to_us
from streamer.errors import WorldError

START_S, PATIENCE_S = 150.0, 15.0


class Process:
    """A process of the service; its standard error is kept. It ends when we die, however we do."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.command, self.environment, self.log = list(command), environment, log
        self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                bound_to_us(self.command),
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def start(self) -> None:
        """Only after it has ended."""
        self._process = self._launch()

    @property
    def ready_file(self) -> Path:
        """Of a worker: there while it is ready, and touched while its event loop turns."""
        return Path(self.environment["STREAMER_STATE_DIR"]) / f"ready-{self.pid}"

    def wait_until_assigned(self, seconds: float = 60.0) -> None:
        """Of a worker: it has joined the group, and says so in its state folder."""
        self._wait_until_ready(self.ready_file.exists, seconds)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotInTime(f"a process of the service did not end within {seconds:.0f} s") from None

    def stop(self, seconds: float = PATIENCE_S) -> int:
        if self.exit_code is None:
            self._process.terminate()
        return self.wait(seconds)

    def end(self) -> None:
        """At the end, however it went."""
        if self.exit_code is None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def _wait_until_ready(self, ready: object, seconds: float) -> None:
        assert callable(ready)

        def settled() -> bool:
            return self.exit_code is not None or bool(ready())

        wait_until(settled, seconds, "a process of the service is ready")
        if self.exit_code is not None:
            raise WorldError(f"a process of the service ended with {self.exit_code} at its start")


class Node(Process):
    """`streamer run` with a metrics page on a port of its own choice."""

    def __init__(
        self,
        at: Topics,
        folder: Path,
        name: str = "node",
        temporary: str = "",
        root: str | Path = ROOT,
        **more: str,
    ) -> None:
        """`temporary`: where it and its children put temporary files. `root`: where its code is."""
        more = {"state_dir": str(folder / f"{name}-state"), "metrics_port": "0"} | more
        environment = at.environment(**more) | {"PYTHONPATH": str(root)}
        environment |= {"TMPDIR": temporary} if temporary else {}
        command = [sys.executable, "-m", "streamer", "run"]
        super().__init__(command, environment, folder / f"{name}.log")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def address(self) -> str | None:
        """Host and port of the metrics page, from the last such line that the node logged."""
        lines = [line for line in self.log.read_text().splitlines() if "metrics at http://" in line]
        return lines[-1].rsplit("http://", 1)[1].split("/")[0] if lines else None

    def wait_until_ready(self, seconds: float = START_S) -> None:
        self._wait_until_ready(lambda: self.ready, seconds)

    @property
    def ready(self) -> bool:
        try:
            return self.address is not None and self.get("/readyz")[0] == 200
        except (OSError, HTTPException):
            return False

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the node's. Raises OSError or HTTPException."""
        address = self.address
        if address is None:
            raise ConnectionError("the node has no page yet")
        return local_node.get(address, path)

    def metric(self, name: str, label: str = "") -> float:
        """The sum of a metric over its labels, or those with that one; 0 where it or the page is absent."""
        return local_node.total(self.series(), name, label)

    def series(self) -> list[str]:
        """Every series with its value, as the page has it; none where the page is absent."""
        with suppress(OSError, HTTPException):
            return [own for own in self.get("/metrics")[1].splitlines() if own and not own.startswith("#")]
        return []

    def children(self) -> dict[str, int]:
        """Process ids of this node's engine and of one of its workers."""
        return {half: pids[0] for half in ("engine", "worker") if (pids := self.of(half))}

    def of(self, half: str) -> list[int]:
        """Process ids of this node's `engine` or of its workers (`worker`), the oldest first."""
        found = []
        with suppress(psutil.Error):
            for child in psutil.Process(self.pid).children():
                with suppress(psutil.Error):
                    if half in child.cmdline()[-1:]:
                        found.append((child.create_time(), child.pid))
        return [pid for _, pid in sorted(found)]


@contextmanager
def echo_workers(at: Topics, count: int, folder: Path, **more: str) -> Iterator[list[Process]]:
    """Workers of `streamer.chaos.echo`; `pause_ms`: the longest pause a note takes."""
    workers = [echo_worker(at, folder, f"worker-{number}", **more) for number in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


def echo_worker(at: Topics, folder: Path, name: str, **more: str) -> Process:
    """One of them; it fails on a note whose value is `poison`, never answers `hang`, stops at `block`,
    and gets nothing after `deaf`."""
    faults = ("poison", "hang", "block", "deaf")
    stand_in = {f"ECHO_{own.upper()}": more.pop(own) for own in faults if own in more}
    stand_in["ECHO_PAUSE_MS"] = more.pop("pause_ms", "20")
    state = folder / "state"
    state.mkdir(exist_ok=True)
    environment = at.environment(state_dir=str(state), **more) | stand_in
    return Process([sys.executable, "-m", "streamer.chaos.echo"], environment, folder / f"{name}.log")
