"""A ZeroMQ socket in an event loop: hears at once all that has come, and sends at once or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from models.errors import EngineError

AT_ONCE, MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)  # pyzmq's own flags cost as much as a send
BURST = 64
"""Messages heard before others in the event loop have their turn."""


class Link:
    """For one event loop. Owns the socket, which is connected or bound already.

    `hear` gets every message; what it raises ends the hearing, and is given to `broken`.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        hear: Callable[[list[bytes]], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._socket = socket
        self._hear = hear
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.Handle | None = None
        self._loop.add_reader(socket.fileno(), self._drain)
        self._soon()

    def send(self, frames: Sequence[bytes]) -> bool:
        """False: nothing was sent: nobody is at the other end now, or its own bound is met."""
        try:
            for frame in frames[:-1]:
                self._socket.send(frame, MORE)  # the first one decides: the others go where it went
            self._socket.send(frames[-1], AT_ONCE)
        except zmq.ZMQError:
            return False
        self._soon()
        return True

    def close(self) -> None:
        """Says and hears nothing more; what was sent and has not gone yet is lost."""
        if self._socket.closed:
            return
        self._stop()
        self._socket.close(linger=0)

    def _soon(self) -> None:
        """The socket's descriptor tells of news once: whoever used the socket must look for it."""
        if self._again is None:
            self._again = self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        try:
            for _ in range(BURST):
                try:
                    message = self._socket.recv_multipart(AT_ONCE)
                except zmq.Again:
                    return
                self._hear(message)
                if self._socket.closed:
                    return
        except Exception as error:
            self._stop()
            self._broken(error)
        else:
            self._soon()

    def _stop(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        if self._again is not None:
            self._again.cancel()


def bound(context: zmq.Context[zmq.Socket[bytes]], path: Path) -> zmq.Socket[bytes]:
    """A ROUTER at a Unix socket for its owner alone. Raises `EngineError` if it cannot be made."""
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.SNDHWM, 0)  # bounded by what each worker may ask for at once
    before = os.umask(0o177)
    try:
        socket.bind(f"ipc://{path}")
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise EngineError(f"engine address ipc://{path}: {error.strerror}; is the folder writable?") from None
    finally:
        os.umask(before)
    return socket
