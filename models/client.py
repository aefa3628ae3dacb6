"""The workers' side of the socket: passages in, findings out, whatever happens to the engine meanwhile.

An engine that is away is waited for; one that was started anew is asked again for all that it owes. So
nothing of this is ever a fault of a note.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import zmq
import zmq.asyncio

from models import wire
from models.answers import Answers
from models.checkpoint import Checkpoint
from models.errors import EngineError, RequestRefused
from models.precision import Precision
from models.reader import PassageFault, Reader, Tokens
from models.types import Findings, Lane, Passage

MOST_TOKENS = 262_144
"""Tokens that one worker has outstanding at the engine; further reads wait."""
SILENT_SECONDS = 2.0
"""An engine that has not been heard for so long is not alive."""


@dataclass(frozen=True)
class Reading:
    """Findings in the order of the passages; milliseconds in the engine's queue, and in its batches."""

    findings: list[Findings | PassageFault]
    queue_ms: float
    inference_ms: float


class _Outstanding:
    def __init__(self, frames: list[bytes], answer: asyncio.Future[Answers]) -> None:
        self.frames = frames
        self.answer = answer


class EngineClient:
    """One worker's connection to the engine at `ipc://…`. For one event loop."""

    def __init__(self, address: str, checkpoint: Checkpoint) -> None:
        self._address = address
        self._fingerprint = checkpoint.fingerprint
        self._hello = wire.Hello(wire.VERSION, checkpoint.fingerprint)
        self._reader = Reader(checkpoint)
        self._context = zmq.asyncio.Context()
        self._socket: zmq.asyncio.Socket | None = None
        self._numbers = itertools.count(1)
        self._outstanding: dict[int, _Outstanding] = {}
        self._tokens = 0
        self._room = asyncio.Condition()
        self._instance: str | None = None
        self._precision: Precision | None = None
        self._heard = float("-inf")
        self._connected = asyncio.Event()
        self._failed: EngineError | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        """Returns when the engine has welcomed us; waits as long as it is away.

        Raises `EngineError` if it reads with another checkpoint or speaks another protocol.
        """
        socket = self._socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)  # bounded by MOST_TOKENS
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for an engine that is away
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.connect(self._address)
        self._tasks = [asyncio.create_task(self._listen(socket)), asyncio.create_task(self._ping())]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        await self._connected.wait()
        if self._failed:
            raise self._failed

    @property
    def precision(self) -> Precision:
        """In which the engine reads; known once it has welcomed us, and the same from then on."""
        assert self._precision is not None
        return self._precision

    @property
    def failed(self) -> EngineError | None:
        """Why no read will ever succeed again, if so: the worker has to be started anew."""
        return self._failed

    @property
    def alive(self) -> bool:
        """Whether the engine was heard lately."""
        return self._failed is None and time.monotonic() - self._heard < SILENT_SECONDS

    async def read(self, passages: Sequence[Passage], lane: Lane = "routine") -> Reading:
        """Findings of every passage. Waits while the engine is away or has much of ours to do.

        Raises `EngineError` only if engine and worker do not fit together.
        """
        if not passages:
            return Reading([], 0.0, 0.0)
        texts = [passage.text for passage in passages]
        tokens = await asyncio.to_thread(self._reader.tokenise, texts)
        result = await self._ask(tokens, lane)
        findings = await asyncio.to_thread(self._interpret, texts, tokens, result)
        return Reading(findings, result.queue_ms, result.inference_ms)

    async def close(self) -> None:
        """Ends the connection; what is still waiting fails with `EngineError`."""
        self._fail(EngineError("the connection to the engine was closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._context.destroy(linger=0)

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _interpret(
        self, texts: Sequence[str], tokens: Sequence[Tokens], result: Answers
    ) -> list[Findings | PassageFault]:
        parts = zip(texts, tokens, result.answers, strict=True)
        return [self._reader.findings(text, own, answer) for text, own, answer in parts]

    async def _ask(self, tokens: Sequence[Tokens], lane: Lane) -> Answers:
        count = sum(len(own) for own in tokens)
        async with self._room:
            await self._room.wait_for(lambda: not self._tokens or self._tokens + count <= MOST_TOKENS)
            self._tokens += count
        number = next(self._numbers)
        try:
            if self._failed:
                raise self._failed
            header = wire.encode(wire.Read(number, lane))
            frames = [header, *wire.pack_passages([(own.ids, own.features) for own in tokens])]
            answer: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
            self._outstanding[number] = _Outstanding(frames, answer)
            self._send(frames)
            return await answer
        except asyncio.CancelledError:
            self._send([wire.encode(wire.Cancel(number))])
            raise
        finally:
            self._outstanding.pop(number, None)
            self._tokens -= count
            async with self._room:
                self._room.notify_all()

    def _send(self, frames: list[bytes]) -> None:
        """To an engine that has welcomed us; what cannot go now goes after its next welcome."""
        if self._instance is not None and not self._try(frames):
            self._instance = None

    def _try(self, frames: list[bytes]) -> bool:
        assert self._socket is not None
        sent = self._socket.send_multipart(frames, flags=zmq.NOBLOCK)  # done at once, either way
        return cast("asyncio.Future[None]", sent).exception() is None

    async def _ping(self) -> None:
        """Says who we are until we are welcomed, then that we are still here."""
        hello, ping = wire.encode(self._hello), wire.encode(wire.Ping())
        while True:
            self._try([hello if self._instance is None else ping])
            await asyncio.sleep(wire.PING_SECONDS)

    async def _listen(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            header, *arrays = await socket.recv_multipart()
            self._heard = time.monotonic()
            self._hear(wire.to_worker.decode(header), arrays)

    def _hear(self, message: wire.ToWorker, arrays: Sequence[bytes]) -> None:
        match message:
            case wire.Answered(number=number):
                if (asked := self._outstanding.get(number)) and not asked.answer.done():
                    asked.answer.set_result(wire.unpack_answers(message, arrays))
            case wire.Welcome():
                self._welcomed(message)
            case wire.Pong(instance) if instance == self._instance:
                pass
            case wire.Refused(0, reason, final=True):
                self._fail(EngineError(f"the engine refused this worker: {reason}"))
            case wire.Refused(number, reason, final=True):
                if (asked := self._outstanding.get(number)) and not asked.answer.done():
                    asked.answer.set_exception(RequestRefused(f"the engine refused a request: {reason}"))
            case _:  # it does not know us: it is a new one, or had given us up
                self._instance = None
                self._try([wire.encode(self._hello)])

    def _welcomed(self, message: wire.Welcome) -> None:
        if message.fingerprint != self._fingerprint:
            self._fail(
                EngineError(
                    f"the engine reads with checkpoint {message.fingerprint}, this worker with "
                    f"{self._fingerprint}; start both from the same checkpoint and version"
                )
            )
        elif message.precision != (self._precision or message.precision):
            self._fail(
                EngineError(
                    f"the engine came back reading in {message.precision}, this worker's records are of "
                    f"{self._precision}; the worker has to be started anew"
                )
            )
        elif self._instance is None:
            self._instance, self._precision = message.instance, message.precision
            for asked in self._outstanding.values():
                self._send(asked.frames)
            self._connected.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._fail(EngineError(f"{type(error).__name__} in the engine's client: this is a bug"))

    def _fail(self, error: EngineError) -> None:
        self._failed = self._failed or error
        for asked in self._outstanding.values():
            if not asked.answer.done():
                asked.answer.set_exception(error)
        self._connected.set()


def answers(address: str, timeout: float) -> bool:
    """Whether an engine speaks at `address` within `timeout` seconds; for whoever looks after its process."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        socket.send(wire.encode(wire.Ping()))
        return bool(socket.poll(int(timeout * 1000)))
