"""The engine as a process: one per device, shared by all workers over a Unix socket.

Nothing that a worker sends can end it; a worker that vanishes is forgotten with all it asked for. A bug in a
batch, or a batch that never comes back from the device, ends the process: the supervisor starts it again, and
the workers ask again for what was not answered.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq

from models import calibration, wire
from models.answers import Answers
from models.checkpoint import Checkpoint, open_checkpoint
from models.errors import EngineError, RequestRefused
from models.explaining.questions import Weighed
from models.explanation import Method
from models.finish import switched
from models.link import Link, bound
from models.precision import ACCEPTED_LOSS, Wanted
from models.types import Lane

if TYPE_CHECKING:
    from models.engine import Engine, Observer

LONGEST_PATH = 103
"""Bytes that a Unix socket's path may have on every system."""
BROKEN = 1
"""Exit code after a bug or a hang."""
MOST_BATCHES, LEAST_BATCHES = 32, 4
"""Of a lane: batches that workers may have asked for, a reader; and that each worker may in any case."""


def serve(
    checkpoint: str | Path | None,
    address: str,
    device: str = "auto",
    *,
    precision: Wanted = "fp32",
    accept_loss: float = ACCEPTED_LOSS,
    heads: Sequence[str] | None = None,
    budget: int | None = None,
    observer: Observer | None = None,
    ready: Callable[[], None] | None = None,
    hang_seconds: float = 30.0,
) -> None:
    """Serve a checkpoint at `ipc://…` until SIGTERM or SIGINT. `ready` is called when requests are taken.

    `precision` "auto": what is fastest on this device; int8 only if it loses at most `accept_loss` points of
    F1. Raises `CheckpointError` or `EngineError` if it cannot start. A batch that is on the device for longer
    than `hang_seconds` ends the process with exit code 1.
    """
    path = socket_path(address)
    opened = switched(open_checkpoint(checkpoint), heads)
    chosen = calibration.choose(opened, device, precision, accept_loss).prepare()
    from models.engine import Engine  # torch takes seconds to import: a bad call or checkpoint is told before

    engine = Engine(opened, device, budget, observer=observer, on_bug=_end, precision=chosen)
    gc.freeze()  # else a full collection goes through all of torch, for tenths of a second
    try:
        asyncio.run(_until_told(Server(engine, opened, hang_seconds), path, ready))
    finally:
        engine.close()
        path.unlink(missing_ok=True)


def socket_path(address: str) -> Path:
    """The path in `ipc:///path`; `EngineError` for anything else: the socket stays on the machine."""
    scheme, _, path = address.partition("://")
    if scheme != "ipc" or not path.startswith("/"):
        raise EngineError(f"engine address {address}: give ipc:// and an absolute path")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise EngineError(f"engine address {address}: longer than {LONGEST_PATH} bytes; use a shorter folder")
    if not Path(path).parent.is_dir():
        raise EngineError(f"engine address {address}: the folder does not exist; make it")
    return Path(path)


class _Asked(NamedTuple):
    future: Future[Answers] | Future[Weighed]
    lane: Lane
    weight: int


class _Worker:
    """What the engine knows of one worker: when it last spoke, what it waits for."""

    def __init__(self) -> None:
        self.seen = time.monotonic()
        self.requests: dict[int, _Asked] = {}
        self.waits: Counter[Lane] = Counter()

    def ask(self, number: int, asked: _Asked) -> None:
        self.requests[number] = asked
        self.waits[asked.lane] += asked.weight

    def done(self, number: int) -> _Asked | None:
        """It waits no more for this request; None: it did not."""
        if asked := self.requests.pop(number, None):
            self.waits[asked.lane] -= asked.weight
        return asked

    def forget(self) -> None:
        for number in list(self.requests):
            self.cancel(number)

    def cancel(self, number: int) -> None:
        if asked := self.done(number):
            asked.future.cancel()


class Server:
    """The socket's side of an engine. `run` it once, in one event loop."""

    def __init__(self, engine: Engine, checkpoint: Checkpoint, hang_seconds: float = 30.0) -> None:
        from models.explaining.serving import Serving  # imports torch

        self._engine = engine
        self._fingerprint, self._precision = checkpoint.fingerprint, engine.precision
        self._shape = checkpoint.encoder
        self._explaining = Serving(checkpoint, engine.device)
        self._instance = uuid.uuid4().hex
        self._hang_seconds = hang_seconds
        self._workers: dict[bytes, _Worker] = {}
        self._answered: deque[tuple[bytes, int, Future[Answers] | Future[Weighed]]] = deque()
        self._called = False

    @property
    def workers(self) -> int:
        """How many it knows of."""
        return len(self._workers)

    @property
    def room(self) -> int:
        """How much each worker may ask for at once in a lane; with all workers, how long the queue may be."""
        batch = self._engine.budget
        return max(batch * self._engine.readers * MOST_BATCHES // max(self.workers, 1), batch * LEAST_BATCHES)

    async def run(self, path: Path, stop: asyncio.Event, ready: Callable[[], None] | None = None) -> None:
        """Serve at a Unix socket until `stop` is set. Raises `EngineError` if the socket cannot be made."""
        self._loop = asyncio.get_running_loop()
        broken: asyncio.Future[None] = self._loop.create_future()
        with zmq.Context() as context:
            self._link = Link(bound(context, path), self._listen, broken.set_exception)
            lives: tuple[Coroutine[Any, Any, Any], ...] = (self._watch(), stop.wait())
            tasks = [asyncio.create_task(life) for life in lives]
            try:
                if ready:
                    ready()
                done, _ = await asyncio.wait([*tasks, broken], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._link.close()
                for identity in list(self._workers):
                    self._forget(identity)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._explaining.close()
        for ended in done:
            ended.result()

    def _listen(self, frames: list[bytes]) -> None:
        identity = frames[0]
        for reply in self._hear(identity, frames[1:]):
            self._send(identity, [wire.encode(reply)])

    def _hear(self, identity: bytes, frames: Sequence[bytes]) -> list[wire.ToWorker]:
        """One message from a worker; what to say to it at once."""
        try:
            message = wire.to_engine(frames[0])
        except (wire.Malformed, IndexError):
            return [wire.Refused(0, "not a message of this protocol")]
        if isinstance(message, wire.Hello):
            return [self._welcome(identity, message)]
        worker = self._workers.get(identity)
        if worker is None:
            return [wire.Refused(0, "say Hello first", final=False)]
        worker.seen = time.monotonic()
        match message:
            case wire.Ping():
                return [wire.Pong(self._instance, self.room)]
            case wire.Cancel(number):
                worker.cancel(number)
                return []
            case _:
                return self._take(identity, worker, message, frames[1:])

    def _welcome(self, identity: bytes, hello: wire.Hello) -> wire.ToWorker:
        if hello.version != wire.VERSION:
            return wire.Refused(
                0, f"protocol {hello.version}: this engine speaks {wire.VERSION}; update the older"
            )
        self._workers.setdefault(identity, _Worker()).seen = time.monotonic()
        return wire.Welcome(wire.VERSION, self._fingerprint, self._instance, self._precision, self.room)

    def _take(
        self, identity: bytes, worker: _Worker, message: wire.Read | wire.Explain, arrays: Sequence[bytes]
    ) -> list[wire.ToWorker]:
        number = message.number
        if number in worker.requests:
            return []  # asked again while it is being answered
        try:
            asked = (
                self._read(identity, worker, message.lane, arrays)
                if isinstance(message, wire.Read)
                else self._explain(message.method, arrays)
            )
        except wire.Malformed as error:
            return [wire.Refused(number, str(error))]
        if asked is None:
            return [wire.Refused(number, "no room: ask again when some of it is answered", final=False)]
        worker.ask(number, asked)
        asked.future.add_done_callback(lambda done: self._done(identity, number, done))
        return []

    def _read(self, identity: bytes, worker: _Worker, lane: Lane, arrays: Sequence[bytes]) -> _Asked | None:
        passages = wire.unpack_passages(arrays, self._shape.vocab_size, self._shape.features)
        weight = wire.weight(passages)
        if (before := worker.waits[lane]) and before + weight > self.room:
            return None
        return _Asked(self._engine.submit(passages, lane, identity), lane, weight)

    def _explain(self, method: Method, arrays: Sequence[bytes]) -> _Asked | None:
        given = wire.unpack_questions(arrays, self._shape.vocab_size, self._shape.features)
        future = self._explaining.submit(*given, method)
        return None if future is None else _Asked(future, "backfill", 0)

    def _done(self, identity: bytes, number: int, future: Future[Answers] | Future[Weighed]) -> None:
        """From any thread. The event loop is called once, however many answers wait for it."""
        if future.cancelled():
            return
        self._answered.append((identity, number, future))
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._called = False  # before looking: what comes from now on calls again
        while self._answered:
            identity, number, future = self._answered.popleft()
            worker = self._workers.get(identity)
            if worker and worker.done(number) and (reply := _reply(number, future)):
                self._send(identity, reply)

    def _send(self, identity: bytes, frames: list[bytes]) -> None:
        if not self._link.send([identity, *frames]):
            self._forget(identity)  # it is gone

    async def _watch(self) -> None:
        """Forgets workers that went silent; ends the process when the device hangs."""
        while True:
            await asyncio.sleep(min(self._hang_seconds / 4, 0.5))
            if self._engine.stalled_for() > self._hang_seconds:
                _end(f"a batch has been on the device for more than {self._hang_seconds:g} s")
            silent = time.monotonic() - wire.FORGET_SECONDS
            for identity in [i for i, worker in self._workers.items() if worker.seen < silent]:
                self._forget(identity)

    def _forget(self, identity: bytes) -> None:
        if worker := self._workers.pop(identity, None):
            worker.forget()


def _reply(number: int, future: Future[Answers] | Future[Weighed]) -> list[bytes] | None:
    """None: the engine broke, and this process ends."""
    if isinstance(error := future.exception(), RequestRefused):
        return [wire.encode(wire.Refused(number, str(error)))]
    if error:
        return None
    result = future.result()
    if isinstance(result, Answers):
        return wire.pack_answers(number, result)
    return wire.pack_weighed(number, result)


async def _until_told(server: Server, path: Path, ready: Callable[[], None] | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.run(path, stop, ready)


def _end(why: str) -> None:
    """From any thread: there is nothing to save, whatever was not answered is asked again."""
    print(f"engine: {why}; exiting", file=sys.stderr, flush=True)
    os._exit(BROKEN)
