"""Free ports of this machine, for servers that we start."""

from __future__ import annotations

import errno
import random
import socket
from types import TracebackType
from typing import Self

from streamer.errors import WorldError

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 20_000, 32_767  # above: the kernel's own choice for clients' ends of connections


class Port:
    """A free loopback port, ours until `release`: other processes that choose this way pass it by."""

    def __init__(self) -> None:
        for number in random.sample(range(FIRST_PORT, LAST_PORT + 1), 200):
            claim = _claim(number)
            if claim is not None:
                self.number, self._claim = number, claim
                return
        raise WorldError(f"no free loopback port between {FIRST_PORT} and {LAST_PORT}; stop what holds them")

    def release(self) -> None:
        self._claim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _claim(number: int) -> socket.socket | None:
    """The UDP port of the same number is the claim: the server needs only TCP, and the kernel clears up."""
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind((HOST, number))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, number))
    except OSError as error:
        claim.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return None
    return claim
