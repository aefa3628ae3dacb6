"""What a process shows over HTTP: `/metrics`, `/healthz`, `/readyz`. No request is logged."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from streamer.errors import SettingError

Page = Callable[[], tuple[str, bytes]]
"""Gives a content type and a body."""


@dataclass(frozen=True)
class Health:
    """Whether the process should be left running, whether it does its work, and if not, what it waits for.

    `waiting_for` is shown to whoever asks: our own words, nothing of a note, no address with a password.
    """

    live: bool
    ready: bool
    waiting_for: tuple[str, ...] = ()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "streamer", ""
    timeout = 10.0
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, *self.server.page())
        elif path in ("/healthz", "/readyz"):
            health = self.server.health()
            good = health.live if path == "/healthz" else health.ready
            self._answer(200 if good else 503, "application/json", json.dumps(asdict(health)).encode())
        else:
            self._answer(404, "text/plain; charset=utf-8", b"/metrics /healthz /readyz\n")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not worth a line each."""


class Server(ThreadingTCPServer):
    """Listens from the start on a thread of its own, and answers each connection on another: a slow scraper
    delays nobody, and is dropped after `timeout` seconds of silence.

    Port 0 takes any free one. Raises SettingError when the address cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int, health: Callable[[], Health], page: Page) -> None:
        self.health = health
        self.page = page
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Answers)
        except OSError as error:
            raise SettingError(
                f"cannot serve metrics on {host} port {port} ({error.strerror}): "
                "set STREAMER_METRICS_HOST or STREAMER_METRICS_PORT (0: any free port)"
            ) from None
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper that went away is no event; a fault of ours shows as a failed scrape."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
