"""A node of this machine's own: `streamer run` as a process, from start to end, and its page."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from tempfile import TemporaryFile

from streamer import settings as configuration
from streamer.children import bound_to_us
from streamer.errors import WorldError
from streamer.ports import HOST
from streamer.settings import Settings

READY_S = 240.0
END_S = 20.0


@contextmanager
def running(settings: Settings) -> Iterator[Callable[[], bool]]:
    """`streamer run`, from ready to drained; gives whether it still runs. It ends when we die, however we do.

    Raises WorldError where it fails, and then shows its log.
    """
    with TemporaryFile() as log:
        process = subprocess.Popen(
            bound_to_us([sys.executable, "-m", "streamer", "run"]),
            env=configuration.child_environment(settings),
            stderr=log,
        )
        try:
            _wait_until_ready(settings.metrics_port, process)
            yield lambda: process.poll() is None
        except WorldError:
            log.seek(0)
            print(log.read().decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            _end(process)


def get(address: str, path: str) -> tuple[int, str]:
    """Status and text of a node's page, at `host:port`. Raises OSError or HTTPException."""
    connection = HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metric(port: int, name: str) -> float:
    """The sum of a metric over its labels, as the metrics page shows it; 0 where it is absent."""
    return total(get(f"{HOST}:{port}", "/metrics")[1].splitlines(), name)


def total(series: Iterable[str], name: str, label: str = "") -> float:
    """The sum of a metric over its labels, or those with that one, in lines of a page; 0: it is absent."""
    lines = (own for own in series if own.startswith((f"{name} ", f"{name}{{")) and label in own)
    return sum(float(own.rsplit(" ", 1)[1]) for own in lines)


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise WorldError(f"the service stopped at its start with exit code {process.returncode}")
        with suppress(OSError, HTTPException):
            if get(f"{HOST}:{port}", "/readyz")[0] == 200:
                return
        time.sleep(0.1)
    raise WorldError(f"the service was not ready within {READY_S:.0f} s; run `streamer run` to see why")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
