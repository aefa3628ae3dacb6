"""The workers' side of the socket: passages in, findings out, whatever happens to the engine meanwhile.

An engine that is away is waited for; one that was started anew is asked again for all that it owes. So
nothing of this is ever a fault of a note.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import numpy as np
import zmq
from numpy.typing import NDArray

from models import wire
from models.answers import Answers
from models.checkpoint import Checkpoint
from models.credit import Credit
from models.errors import EngineError, RequestRefused
from models.explaining.questions import Weighed
from models.explanation import Method
from models.link import Link
from models.observer import Waited, unobserved
from models.precision import Precision
from models.reader import PassageFault, Reader, Tokens
from models.requests import Passage as Ids
from models.types import LANES, Findings, Lane, Passage

P = ParamSpec("P")
R = TypeVar("R")

OFF_LOOP_ABOVE = 20_000
"""Characters above which text is tokenised in a thread, so that it delays no other note. Below, handing it to
a thread costs as much as the work."""
EXPLAINED_AT_ONCE = 2
"""Notes that the engine has to explain for a worker: one, and the next, so that it need not wait for it."""
SILENT_SECONDS = 2.0
"""An engine that has not been heard for so long is not alive."""


@dataclass(frozen=True)
class Reading:
    """Findings in the order of the passages; milliseconds in the engine's queue, and in its batches."""

    findings: list[Findings | PassageFault]
    queue_ms: float
    inference_ms: float


class _Outstanding:
    def __init__(self, frames: list[bytes], answer: asyncio.Future[Any]) -> None:
        self.frames = frames
        self.answer = answer


class EngineClient:
    """One worker's connection to the engine at `ipc://…`. For one event loop."""

    def __init__(self, address: str, checkpoint: Checkpoint, waited: Waited = unobserved) -> None:
        self._address = address
        self._waited = waited
        self._fingerprint = checkpoint.fingerprint
        self._hello = wire.Hello(wire.VERSION, checkpoint.fingerprint)
        self._reader = Reader(checkpoint)
        self._context = zmq.Context()
        self._link: Link | None = None
        self._numbers = itertools.count(1)
        self._outstanding: dict[int, _Outstanding] = {}
        self._held: list[int] = []
        self._credit = {lane: Credit() for lane in LANES}
        self._explaining = asyncio.Semaphore(EXPLAINED_AT_ONCE)
        self._instance: str | None = None
        self._precision: Precision | None = None
        self._heard = float("-inf")
        self._connected = asyncio.Event()
        self._failed: EngineError | None = None
        self._pinging: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Returns when the engine has welcomed us; waits as long as it is away.

        Raises `EngineError` if it reads with another checkpoint or speaks another protocol.
        """
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.SNDHWM, 0)  # bounded by the room that the engine gives
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for an engine that is away
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.connect(self._address)
        self._link = Link(socket, self._listen, self._broken)
        self._pinging = asyncio.create_task(self._ping(self._link))
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
        large = sum(map(len, texts)) > OFF_LOOP_ABOVE
        tokens = await _called(large, self._reader.tokenise, texts)
        result = await self._answers(tokens, lane)
        findings = await _called(large, self._reader.findings, texts, tokens, result)
        return Reading(findings, result.queue_ms, result.inference_ms)

    async def weigh(self, passages: Sequence[Ids], questions: NDArray[np.int32], method: Method) -> Weighed:
        """Weights of tokens, as `models.explaining.asking` asks for them; waits like `read`, and longer.

        Raises `RequestRefused` for what the engine will not explain; else as `read`.
        """
        arrays = wire.pack_questions(passages, questions)
        async with self._explaining:
            weighed: Weighed = await self._ask(
                lambda number: [wire.encode(wire.Explain(number, method)), *arrays]
            )
        return weighed

    async def close(self) -> None:
        """Ends the connection; what is still waiting fails with `EngineError`."""
        self._fail(EngineError("the connection to the engine was closed"))
        if self._pinging:
            self._pinging.cancel()
            await asyncio.gather(self._pinging, return_exceptions=True)
        if self._link:
            self._link.close()
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

    async def _answers(self, tokens: Sequence[Tokens], lane: Lane) -> Answers:
        passages = [own.passage for own in tokens]
        credit, weight = self._credit[lane], wire.weight(passages)
        waited = await credit.take(weight)  # its lane's own: a backfill that waits keeps nothing urgent back
        try:
            answers: Answers = await self._ask(
                lambda number: [wire.encode(wire.Read(number, lane)), *wire.pack_passages(passages)]
            )
            self._waited(lane, waited + answers.queue_ms / 1e3)
            return answers
        finally:
            credit.give(weight)

    async def _ask(self, message: Callable[[int], list[bytes]]) -> Any:
        number = next(self._numbers)
        try:
            if self._failed:
                raise self._failed
            frames = message(number)
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._outstanding[number] = _Outstanding(frames, answer)
            self._send(frames)
            return await answer
        except asyncio.CancelledError:
            self._send([wire.encode(wire.Cancel(number))])
            raise
        finally:
            self._outstanding.pop(number, None)

    def _send(self, frames: list[bytes]) -> None:
        """To an engine that has welcomed us; what cannot go now goes after its next welcome."""
        if self._instance is not None and self._link and not self._link.send(frames):
            self._instance = None

    async def _ping(self, link: Link) -> None:
        """Says who we are until we are welcomed, then that we are still here."""
        hello, ping = wire.encode(self._hello), wire.encode(wire.Ping())
        while True:
            link.send([hello if self._instance is None else ping])
            await asyncio.sleep(wire.PING_SECONDS)

    def _listen(self, frames: list[bytes]) -> None:
        self._heard = time.monotonic()
        self._hear(wire.to_worker(frames[0]), frames[1:])

    def _hear(self, message: wire.ToWorker, arrays: Sequence[bytes]) -> None:
        match message:
            case wire.Answered() | wire.Explained():
                if waits := self._waits(message.number):
                    waits.set_result(_unpacked(message, arrays))
                self._ask_again()
            case wire.Welcome():
                self._welcomed(message)
            case wire.Pong(instance, room) if instance == self._instance:
                self._allow(room)
                self._ask_again()
            case wire.Refused(number, _, final=False) if number:  # no room
                self._held.append(number)
            case wire.Refused(0, reason, final=True):
                self._fail(EngineError(f"the engine refused this worker: {reason}"))
            case wire.Refused(number, reason, final=True):
                if waits := self._waits(number):
                    waits.set_exception(RequestRefused(f"the engine refused a request: {reason}"))
            case _:  # it does not know us: it is a new one, or had given us up
                self._instance = None
                if self._link:
                    self._link.send([wire.encode(self._hello)])

    def _waits(self, number: int) -> asyncio.Future[Any] | None:
        asked = self._outstanding.get(number)
        return asked.answer if asked and not asked.answer.done() else None

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
            self._allow(message.room)
            self._held = list(self._outstanding)
            self._ask_again()
            self._connected.set()

    def _allow(self, room: int) -> None:
        for credit in self._credit.values():
            if room != credit.room:
                credit.allow(room)

    def _ask_again(self) -> None:
        """What the engine has not got, or had no room for."""
        held, self._held = self._held, []
        for number in held:
            if asked := self._outstanding.get(number):
                self._send(asked.frames)

    def _broken(self, error: Exception) -> None:
        self._fail(EngineError(f"{type(error).__name__} in the engine's client: this is a bug"))

    def _fail(self, error: EngineError) -> None:
        self._failed = self._failed or error
        for asked in self._outstanding.values():
            if not asked.answer.done():
                asked.answer.set_exception(error)
        self._connected.set()


def _unpacked(message: wire.Answered | wire.Explained, arrays: Sequence[bytes]) -> Answers | Weighed:
    if isinstance(message, wire.Answered):
        return wire.unpack_answers(message, arrays)
    return wire.unpack_weighed(arrays)


async def _called(large: bool, function: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    return await asyncio.to_thread(function, *given, **named) if large else function(*given, **named)


def answers(address: str, timeout: float) -> bool:
    """Whether an engine speaks at `address` within `timeout` seconds; for whoever looks after its process."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        socket.send(wire.encode(wire.Ping()))
        return bool(socket.poll(int(timeout * 1000)))
