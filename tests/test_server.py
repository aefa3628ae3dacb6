import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import zmq
import zmq.asyncio

from models import wire
from models.answers import Answers
from models.checkpoint import Checkpoint
from models.engine import Engine
from models.errors import CheckpointError, EngineError
from models.requests import Passage
from models.server import Server, serve, socket_path
from tests.checkpoints import tiny, vocabulary


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return tiny(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def engine(checkpoint: Checkpoint) -> Iterator[Engine]:
    engine = Engine(checkpoint, "cpu", readers=1)
    yield engine
    engine.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def passages(*lengths: int) -> list[Passage]:
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
        return wire.to_worker.decode(header), arrays

    async def ask(self, message: wire.ToEngine | bytes, *arrays: bytes) -> Any:
        await self.say(message, *arrays)
        return (await self.hear())[0]

    async def hello(self) -> wire.Welcome:
        welcome = await self.ask(wire.Hello(wire.VERSION, "any"))
        assert isinstance(welcome, wire.Welcome)
        return welcome

    async def read(self, number: int, own: list[Passage]) -> Answers:
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


async def test_it_answers_as_the_engine_within_does(
    engine: Engine, checkpoint: Checkpoint, folder: Path
) -> None:
    own = passages(3, 0, 50, 1)
    expected = engine.submit(own).result(30).answers
    async with serving(engine, checkpoint, folder) as (worker,):
        welcome = await worker.hello()
        assert (welcome.fingerprint, welcome.precision) == (checkpoint.fingerprint, engine.precision)
        answered = await worker.read(7, own)
        assert [a.spans.tolist() for a in answered.answers] == [a.spans.tolist() for a in expected]
        assert [a.confidence.tobytes() for a in answered.answers] == [
            a.confidence.tobytes() for a in expected
        ]
        assert answered.queue_ms >= 0
        assert (await worker.read(8, [])).answers == []


async def test_only_the_owner_may_speak_to_the_socket(
    engine: Engine, checkpoint: Checkpoint, folder: Path
) -> None:
    async with serving(engine, checkpoint, folder) as (worker,):
        await worker.hello()
        assert stat.S_IMODE(os.stat(folder / "e.sock").st_mode) == 0o600


async def test_what_is_wrong_is_refused_with_a_reason_and_the_engine_lives_on(
    engine: Engine, checkpoint: Checkpoint, folder: Path
) -> None:
    good = wire.pack_passages(passages(4, 2))
    ids, other = np.arange(5, 11, dtype="<i4"), np.zeros(6, "u1").tobytes()
    lengths = np.array([4, 2], "<i4").tobytes()
    too_large = ids.copy()
    too_large[3] = 9999
    cases: list[tuple[list[bytes], str]] = [
        ([], "three arrays"),
        (good[:2], "three arrays"),
        ([good[0], good[1][:-1], good[2]], "within a number"),
        ([np.array([4, 3], "<i4").tobytes(), *good[1:]], "do not add up"),
        ([np.array([7, -1], "<i4").tobytes(), *good[1:]], "do not add up"),
        ([lengths, ids.tobytes(), other[:-1]], "do not add up"),
        ([lengths, too_large.tobytes(), other], "not in the vocabulary"),
        ([lengths, (-ids).tobytes(), other], "not in the vocabulary"),
    ]
    async with serving(engine, checkpoint, folder) as (worker,):
        early = await worker.ask(wire.Read(1, "routine"), *good)
        assert early == wire.Refused(0, "say Hello first", final=False)
        assert "protocol 9: this engine speaks 1" in (await worker.ask(wire.Hello(9, "x"))).reason
        for noise in (
            b"",
            b"\xff\xfe",
            b"\x81",
            os.urandom(64),
            wire.encode({"type": "Read", "number": "x"}),
        ):
            assert (await worker.ask(noise)).reason == "not a message of this protocol"
        await worker.hello()
        for arrays, said in cases:
            refused = await worker.ask(wire.Read(5, "stat"), *arrays)
            assert isinstance(refused, wire.Refused)
            assert refused.number == 5
            assert said in refused.reason
        assert len((await worker.read(6, passages(4, 2))).answers) == 2


def test_feature_masks_beyond_the_table_are_malformed() -> None:
    frames = wire.pack_passages([(np.array([5], np.int32), np.array([200], np.uint8))])
    assert len(wire.unpack_passages(frames, vocabulary=10, features=0)) == 1
    with pytest.raises(wire.Malformed, match="not in the table"):
        wire.unpack_passages(frames, vocabulary=10, features=128)


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


async def until(condition: Any) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never came true")


async def test_cancelled_and_repeated_requests_are_read_once_or_not_at_all(
    engine: Engine, checkpoint: Checkpoint, folder: Path
) -> None:
    held = Held(engine)
    async with serving(engine, checkpoint, folder) as (worker,):
        await worker.hello()
        await worker.say(wire.Read(1, "routine"), *wire.pack_passages(passages(1)))
        await until(lambda: held.batches)
        for number in (2, 3, 3):
            await worker.say(wire.Read(number, "routine"), *wire.pack_passages(passages(number)))
        await worker.say(wire.Cancel(2))
        await worker.ask(wire.Ping())  # all of that has arrived
        held.release()
        heard = [(await worker.hear())[0].number for _ in range(2)]
        assert heard == [1, 3]
        assert isinstance(await worker.ask(wire.Ping()), wire.Pong)


async def test_a_worker_that_vanishes_is_forgotten_with_what_it_asked_for(
    engine: Engine, checkpoint: Checkpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "FORGET_SECONDS", 0.2)
    held = Held(engine)
    async with serving(engine, checkpoint, folder, workers=2) as (gone, stays):
        await gone.hello()
        await gone.say(wire.Read(1, "routine"), *wire.pack_passages(passages(1)))
        await until(lambda: held.batches)
        await gone.say(wire.Read(2, "routine"), *wire.pack_passages(passages(30)))
        await gone.ask(wire.Ping())
        gone.socket.close()
        await until(lambda: not servers[-1].workers)
        held.release()
        await stays.hello()
        assert len((await stays.read(1, passages(5))).answers) == 1
        assert [30] not in held.batches
        assert isinstance(await stays.ask(wire.Ping()), wire.Pong)


async def test_one_worker_may_not_ask_for_everything_at_once(
    engine: Engine, checkpoint: Checkpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "room", 100)
    held = Held(engine)
    async with serving(engine, checkpoint, folder) as (worker,):
        assert (await worker.hello()).room == 100
        for number in (1, 2):
            await worker.say(wire.Read(number, "routine"), *wire.pack_passages(passages(40)))
        refused = await worker.ask(wire.Read(3, "routine"), *wire.pack_passages(passages(40)))
        assert isinstance(refused, wire.Refused)
        assert (refused.number, refused.final) == (3, False)
        await worker.say(wire.Read(4, "stat"), *wire.pack_passages(passages(200)))  # a lane of its own
        held.release()
        assert {(await worker.hear())[0].number for _ in range(3)} == {1, 2, 4}
        assert len((await worker.read(3, passages(40))).answers) == 1


async def test_workers_share_the_room_and_each_has_some(
    engine: Engine, checkpoint: Checkpoint, folder: Path
) -> None:
    async with serving(engine, checkpoint, folder, workers=20) as workers:
        rooms = [(await worker.hello()).room for worker in workers]
        assert rooms[0] == 2 * rooms[1] == 32 * engine.budget
        assert rooms[-1] == 4 * engine.budget
        assert (await workers[0].ask(wire.Ping())).room == rooms[-1]


async def test_a_flood_of_one_worker_does_not_keep_another_waiting(
    engine: Engine, checkpoint: Checkpoint, folder: Path
) -> None:
    held = Held(engine)
    async with serving(engine, checkpoint, folder, workers=2) as (flood, other):
        await flood.hello()
        await other.hello()
        for number in range(50):
            await flood.say(wire.Read(number, "routine"), *wire.pack_passages(passages(30) * 5))
        await flood.ask(wire.Ping())
        await other.say(wire.Read(1, "routine"), *wire.pack_passages(passages(31)))
        await other.ask(wire.Ping())
        held.go.set()
        await other.hear()
        assert 31 in held.batches[1]
        assert len(held.batches) < 5
        held.release()
        for _ in range(50):
            await flood.hear()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:5555", "give ipc:// and an absolute path"),
        ("ipc://relative/path", "give ipc:// and an absolute path"),
        ("ipc:///" + "x" * 200, "longer than"),
        ("ipc:///no/such/folder/e.sock", "the folder does not exist"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_anything_is_loaded(address: str, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        serve("/no/such/checkpoint", address)


def test_a_checkpoint_that_cannot_be_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        serve(folder / "absent", f"ipc://{folder}/e.sock")
    assert socket_path(f"ipc://{folder}/e.sock") == folder / "e.sock"
