"""Both ends of the engine's socket, played by hand: an engine for a client, a worker for a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zmq
import zmq.asyncio

from models import wire
from models.answers import Answer, Answers, together
from models.checkpoint import Checkpoint
from models.client import EngineClient
from models.engine import Engine
from models.observer import Waited, unobserved
from models.precision import Precision
from models.reader import PassageFault, Reader
from models.requests import Passage as Ids
from models.server import Server
from models.types import Findings, Passage, Span
from tests.checkpoints import TEXT, vocabulary


async def until(condition: Any) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never came true")


def texts(count: int, seed: int = 0) -> list[Passage]:
    texts = [TEXT[n % 50 : 60 + (n * 7 + seed) % 40] for n in range(count)]
    return [Passage(span=Span(0, len(text)), text=text, section="s1") for text in texts]


def expected(checkpoint: Checkpoint, asked: Sequence[Passage]) -> list[Findings | PassageFault]:
    reader, engine = Reader(checkpoint), Engine(checkpoint, "cpu", readers=1)
    tokens = reader.tokenise([passage.text for passage in asked])
    answered = engine.submit([own.passage for own in tokens]).result(30)
    engine.close()
    return reader.findings([passage.text for passage in asked], tokens, answered)


class Stage:
    """An engine that the test plays by hand."""

    def __init__(self, context: zmq.asyncio.Context, path: Path) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(f"ipc://{path}")

    async def hear(self, kind: type) -> tuple[bytes, Any]:
        """The next message of a kind; others (pings, hellos) are passed over."""
        while True:
            identity, header, *_ = await asyncio.wait_for(self.socket.recv_multipart(), 30)
            message = wire.to_engine(header)
            if isinstance(message, kind):
                return identity, message

    async def say(self, identity: bytes, message: wire.ToWorker, *arrays: bytes) -> None:
        await self.socket.send_multipart([identity, wire.encode(message), *arrays])

    async def welcome(
        self,
        checkpoint: Checkpoint,
        instance: str = "first",
        precision: Precision = "fp32",
        room: int = 1 << 18,
    ) -> bytes:
        identity, _ = await self.hear(wire.Hello)
        welcome = wire.Welcome(wire.VERSION, checkpoint.fingerprint, instance, precision, room)
        await self.say(identity, welcome)
        return identity

    async def answer(self, identity: bytes, number: int, count: int = 1) -> None:
        await self.socket.send_multipart(
            [identity, *wire.pack_answers(number, together([Answer()] * count, 1.5, 2.5))]
        )


@asynccontextmanager
async def staged(
    checkpoint: Checkpoint,
    folder: Path,
    room: int = 1 << 18,
    precision: Precision = "fp32",
    waited: Waited = unobserved,
) -> AsyncIterator[tuple[Stage, bytes, EngineClient]]:
    with zmq.asyncio.Context() as context:
        stage = Stage(context, folder / "e.sock")
        client = EngineClient(f"ipc://{folder}/e.sock", checkpoint, waited)
        connecting = asyncio.create_task(client.connect())
        identity = await stage.welcome(checkpoint, precision=precision, room=room)
        await connecting
        try:
            yield stage, identity, client
        finally:
            await client.close()
            stage.socket.close()


def passages(*lengths: int) -> list[Ids]:
    rng = np.random.default_rng(1)
    return [(rng.integers(5, len(vocabulary()), n, dtype=np.int32), np.zeros(n, np.uint8)) for n in lengths]


class Worker:
    """Speaks the protocol by hand."""

    def __init__(self, context: zmq.asyncio.Context, path: Path) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(f"ipc://{path}")

    async def say(self, message: wire.ToEngine | bytes, *arrays: bytes) -> None:
        header = message if isinstance(message, bytes) else wire.encode(message)
        await self.socket.send_multipart([header, *arrays])

    async def hear(self) -> tuple[Any, list[bytes]]:
        header, *arrays = await asyncio.wait_for(self.socket.recv_multipart(), 30)
        return wire.to_worker(header), arrays

    async def ask(self, message: wire.ToEngine | bytes, *arrays: bytes) -> Any:
        await self.say(message, *arrays)
        return (await self.hear())[0]

    async def hello(self) -> wire.Welcome:
        welcome = await self.ask(wire.Hello(wire.VERSION, "any"))
        assert isinstance(welcome, wire.Welcome)
        return welcome

    async def read(self, number: int, own: list[Ids]) -> Answers:
        await self.say(wire.Read(number, "routine"), *wire.pack_passages(own))
        header, arrays = await self.hear()
        assert isinstance(header, wire.Answered)
        assert header.number == number
        return wire.unpack_answers(header, arrays)


servers: list[Server] = []


@asynccontextmanager
async def serving(
    engine: Engine, checkpoint: Checkpoint, folder: Path, workers: int = 1
) -> AsyncIterator[list[Worker]]:
    stop, path = asyncio.Event(), folder / "e.sock"
    servers.append(Server(engine, checkpoint))
    task = asyncio.create_task(servers[-1].run(path, stop))
    with zmq.asyncio.Context() as context:
        speakers = [Worker(context, path) for _ in range(workers)]
        try:
            yield speakers
        finally:
            for speaker in speakers:
                speaker.socket.close()
            stop.set()
            await task


class Held:
    """Holds the engine's forward pass until let go."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.inner = engine, engine.forward
        self.go = threading.Event()
        self.batches: list[list[int]] = []
        engine.forward = self  # type: ignore[assignment]

    def __call__(self, windows: Any) -> Any:
        self.batches.append([len(ids) for ids, _ in windows])
        assert self.go.wait(30)
        return self.inner(windows)

    def release(self) -> None:
        self.go.set()
        self.engine.forward = self.inner
