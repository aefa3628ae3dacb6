"""A server of ours as a child process: its folder, its start, its end."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from streamer.errors import WorldError

POLL_SECONDS = 0.03
ENVIRONMENT = ("PATH", "HOME", "LANG")  # a server needs no more, and no secret of ours


class Home:
    """The folder that servers work in. A temporary one goes when we go, also when we are killed."""

    def __init__(self, folder: Path | None, purpose: str) -> None:
        self.temporary = folder is None
        name = f"streamer-{purpose}-{secrets.token_hex(6)}"
        self.path = (folder or Path(tempfile.gettempdir()) / name).resolve()
        program, fate = Path(__file__).with_name("reaper.py"), "remove" if self.temporary else "keep"
        # The reaper first: from its start on, there is no moment at which a kill leaves the folder behind.
        self._reaper = subprocess.Popen(
            [sys.executable, str(program), str(os.getpid()), str(self.path), fate],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=not self.temporary)
        except OSError as error:
            self.close()
            raise WorldError(f"the servers' folder {self.path} cannot be made: {error.strerror}") from None

    def close(self) -> None:
        """Only when every server in it has stopped."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._reaper.stdin:
            self._reaper.stdin.close()
        self._reaper.wait()


class Server:
    """One child process in its own session (Ctrl-C is ours to handle), its output in a log file."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self.log = folder / "server.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Raises WorldError when the server ends, or is not ready after `timeout` seconds."""
        give_up = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise WorldError(
                    f"{self.name} stopped at its start (exit {self._process.returncode}): {self.last_words()}"
                )
            if time.monotonic() > give_up:
                raise WorldError(f"{self.name} was not ready after {timeout:.0f} s: {self.last_words()}")
            time.sleep(POLL_SECONDS)

    def last_words(self) -> str:
        """The last line of the log that says something went wrong, else the last line."""
        lines = self.log.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "ERROR" in line or "Exception" in line or "Caused by" in line]
        return ((telling or lines or ["nothing in its log"])[-1]).strip()[:300]

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    def stop(self, patience: float = 10.0) -> None:
        """SIGTERM, then SIGKILL when it is still there after `patience` seconds."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # one that was suspended must wake up to end
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()
