"""Free ports, below those that the system gives to outgoing connections, so that they stay free."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
