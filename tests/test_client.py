import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import zmq
import zmq.asyncio

from models import server as server_module
from models import wire
from models.answers import Answer, together
from models.checkpoint import Checkpoint
from models.client import EngineClient
from models.engine import Engine
from models.errors import EngineError, RequestRefused
from models.precision import Precision
from models.reader import PassageFault, Reader
from models.server import Server
from models.types import Findings, Passage, Span
from tests.checkpoints import TEXT, tiny
from tests.engines import EngineProcess


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return tiny(tmp_path_factory.mktemp("client"))


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def passages(count: int, seed: int = 0) -> list[Passage]:
    texts = [TEXT[n % 50 : 60 + (n * 7 + seed) % 40] for n in range(count)]
    return [Passage(span=Span(0, len(text)), text=text, section="s1") for text in texts]


def expected(checkpoint: Checkpoint, asked: Sequence[Passage]) -> list[Findings | PassageFault]:
    reader, engine = Reader(checkpoint), Engine(checkpoint, "cpu", readers=1)
    tokens = reader.tokenise([passage.text for passage in asked])
    answered = engine.submit([(own.ids, own.features) for own in tokens]).result(30)
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
            message = wire.to_engine.decode(header)
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
    checkpoint: Checkpoint, folder: Path, room: int = 1 << 18
) -> AsyncIterator[tuple[Stage, bytes, EngineClient]]:
    with zmq.asyncio.Context() as context:
        stage = Stage(context, folder / "e.sock")
        client = EngineClient(f"ipc://{folder}/e.sock", checkpoint)
        connecting = asyncio.create_task(client.connect())
        identity = await stage.welcome(checkpoint, room=room)
        await connecting
        try:
            yield stage, identity, client
        finally:
            await client.close()
            stage.socket.close()


async def until(condition: Any) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never came true")


async def test_findings_are_those_of_an_engine_in_this_process(checkpoint: Checkpoint, folder: Path) -> None:
    engine, stop = Engine(checkpoint, "cpu", readers=1), asyncio.Event()
    serving = asyncio.create_task(Server(engine, checkpoint).run(folder / "e.sock", stop))
    async with EngineClient(f"ipc://{folder}/e.sock", checkpoint) as client:
        readings = await asyncio.gather(*(client.read(passages(n, n)) for n in range(12)))
        assert client.alive
    stop.set()
    await serving
    engine.close()
    for n, reading in enumerate(readings):
        assert reading.findings == expected(checkpoint, passages(n, n))
    assert any(f.mentions for f in readings[-1].findings if isinstance(f, Findings))


async def test_it_waits_for_an_engine_that_is_not_there_yet(checkpoint: Checkpoint, folder: Path) -> None:
    client = EngineClient(f"ipc://{folder}/e.sock", checkpoint)
    connecting = asyncio.create_task(client.connect())
    reading = asyncio.create_task(client.read(passages(1)))
    done, _ = await asyncio.wait([connecting, reading], timeout=0.3)
    assert not done
    assert not client.alive
    with zmq.asyncio.Context() as context:
        stage = Stage(context, folder / "e.sock")
        identity = await stage.welcome(checkpoint)
        await connecting
        _, read = await stage.hear(wire.Read)
        await stage.answer(identity, read.number)
        got = await reading
        assert (got.queue_ms, got.inference_ms) == (1.5, 2.5)
        await client.close()
        stage.socket.close()


async def test_another_checkpoint_or_protocol_is_an_error_that_says_so(
    checkpoint: Checkpoint, folder: Path
) -> None:
    cases: list[tuple[wire.ToWorker, str]] = [
        (
            wire.Welcome(wire.VERSION, "0123456789abcdef", "x"),
            "reads with checkpoint 0123456789abcdef, this worker",
        ),
        (wire.Refused(0, "protocol 1: this engine speaks 2"), "refused this worker: protocol 1"),
    ]
    for number, (message, said) in enumerate(cases):
        with zmq.asyncio.Context() as context:
            stage = Stage(context, folder / f"{number}.sock")
            client = EngineClient(f"ipc://{folder}/{number}.sock", checkpoint)
            connecting = asyncio.create_task(client.connect())
            identity, _ = await stage.hear(wire.Hello)
            await stage.say(identity, message)
            with pytest.raises(EngineError, match=said):
                await connecting
            assert not client.alive
            with pytest.raises(EngineError, match=said):
                await client.read(passages(1))
            await client.close()
            stage.socket.close()


async def test_an_engine_started_anew_is_asked_again_for_all_it_owes(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        first, second = (asyncio.create_task(client.read(passages(1))) for _ in range(2))
        asked = [(await stage.hear(wire.Read))[1].number for _ in range(2)]
        await stage.answer(identity, asked[0])
        await first
        # the next that it hears of the engine is of one that does not know it
        await stage.say(identity, wire.Refused(0, "say Hello first", final=False))
        assert await stage.welcome(checkpoint, "second") == identity
        _, again = await stage.hear(wire.Read)
        assert again.number == asked[1]
        await stage.answer(identity, again.number)
        await stage.answer(identity, again.number)  # a second answer harms nobody
        assert (await second).findings == [Findings()]


async def test_a_read_that_nobody_waits_for_is_cancelled_at_the_engine(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, _, client):
        reading = asyncio.create_task(client.read(passages(1), "stat"))
        _, read = await stage.hear(wire.Read)
        assert read.lane == "stat"
        reading.cancel()
        _, cancel = await stage.hear(wire.Cancel)
        assert cancel.number == read.number


def room_for(checkpoint: Checkpoint, count: int) -> int:
    (tokens,) = Reader(checkpoint).tokenise([passages(1)[0].text])
    return count * wire.weight([(tokens.ids, tokens.features)])


async def test_no_more_is_outstanding_than_the_engine_has_room_for(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder, room_for(checkpoint, 2)) as (stage, identity, client):
        readings = [asyncio.create_task(client.read(passages(1))) for _ in range(3)]
        numbers = [(await stage.hear(wire.Read))[1].number for _ in range(2)]
        await stage.hear(wire.Ping)
        await stage.hear(wire.Ping)  # and no third read between the two
        await stage.answer(identity, numbers[0])
        _, third = await stage.hear(wire.Read)
        for number in (numbers[1], third.number):
            await stage.answer(identity, number)
        await asyncio.gather(*readings)
        large = asyncio.create_task(client.read(passages(5)))  # more than the limit: alone it may
        _, read = await stage.hear(wire.Read)
        await stage.answer(identity, read.number, 5)
        assert len((await large).findings) == 5


async def test_a_pong_gives_more_room(checkpoint: Checkpoint, folder: Path) -> None:
    async with staged(checkpoint, folder, room_for(checkpoint, 1)) as (stage, identity, client):
        readings = [asyncio.create_task(client.read(passages(1))) for _ in range(2)]
        numbers = [(await stage.hear(wire.Read))[1].number]
        await stage.hear(wire.Ping)
        await stage.say(identity, wire.Pong("first", room_for(checkpoint, 2)))
        numbers.append((await stage.hear(wire.Read))[1].number)
        for number in numbers:
            await stage.answer(identity, number)
        await asyncio.gather(*readings)


async def test_a_backfill_that_fills_the_room_keeps_nothing_urgent_waiting(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder, room_for(checkpoint, 1)) as (stage, identity, client):
        backfill = [asyncio.create_task(client.read(passages(1), "backfill")) for _ in range(9)]
        _, first = await stage.hear(wire.Read)
        stat = asyncio.create_task(client.read(passages(1), "stat"))
        _, urgent = await stage.hear(wire.Read)
        assert (first.lane, urgent.lane) == ("backfill", "stat")
        await stage.answer(identity, urgent.number)
        await stat
        await stage.answer(identity, first.number)
        for _ in backfill[1:]:
            await stage.answer(identity, (await stage.hear(wire.Read))[1].number)
        await asyncio.gather(*backfill)


async def test_what_the_engine_had_no_room_for_is_asked_again_and_nothing_is_lost(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        readings = [asyncio.create_task(client.read(passages(1))) for _ in range(3)]
        numbers = [(await stage.hear(wire.Read))[1].number for _ in range(3)]
        for number in numbers[1:]:
            await stage.say(identity, wire.Refused(number, "no room", final=False))
        await stage.answer(identity, numbers[0])
        again = [(await stage.hear(wire.Read))[1].number for _ in range(2)]
        assert again == numbers[1:]
        await stage.say(identity, wire.Refused(numbers[1], "no room", final=False))
        await stage.say(identity, wire.Pong("first", 1 << 18))  # nothing of ours is answered: time helps too
        assert (await stage.hear(wire.Read))[1].number == numbers[1]
        for number in numbers[1:]:
            await stage.answer(identity, number)
        assert [reading.findings for reading in await asyncio.gather(*readings)] == [[Findings()]] * 3


async def test_workers_that_want_more_than_fits_get_everything_and_the_queue_stays_short(
    checkpoint: Checkpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room that shrinks with every worker: some ask for more than they may, and ask again."""
    monkeypatch.setattr(server_module, "MOST_BATCHES", 3)
    monkeypatch.setattr(server_module, "LEAST_BATCHES", 1)
    engine, stop = Engine(checkpoint, "cpu", budget=64, readers=1), asyncio.Event()
    submit, asked, depths = engine.submit, list[tuple[int, Any]](), list[int]()

    def watched(own: Any, *given: Any) -> Any:
        asked.append((wire.weight(own), submit(own, *given)))
        depths.append(sum(weight for weight, future in asked if not future.done()))
        return asked[-1][1]

    engine.submit = watched  # type: ignore[assignment]
    server = Server(engine, checkpoint)
    serving = asyncio.create_task(server.run(folder / "e.sock", stop))
    clients = [EngineClient(f"ipc://{folder}/e.sock", checkpoint) for _ in range(3)]
    readings = []
    for client in clients:
        await client.connect()
        readings += [asyncio.create_task(client.read(passages(2, n), "backfill")) for n in range(30)]
    got = [reading.findings for reading in await asyncio.gather(*readings)]
    wanted = [expected(checkpoint, passages(2, n)) for n in range(30)]
    assert got == wanted * 3
    assert 64 < max(depths) <= 5 * 64, "three batches together, or as one worker alone may and one for each"
    for client in clients:
        await client.close()
    stop.set()
    await serving
    engine.close()


async def test_faults_of_passages_are_values_and_refusals_are_errors(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        reading = asyncio.create_task(client.read(passages(3)))
        _, read = await stage.hear(wire.Read)
        mixed = [Answer(), Answer("model-non-finite"), Answer("device-out-of-memory")]
        await stage.socket.send_multipart([identity, *wire.pack_answers(read.number, together(mixed))])
        faults = [PassageFault("model-non-finite"), PassageFault("device-out-of-memory")]
        assert (await reading).findings == [Findings(), *faults]

        reading = asyncio.create_task(client.read(passages(1)))
        _, read = await stage.hear(wire.Read)
        await stage.say(identity, wire.Refused(read.number, "a token is not in the vocabulary"))
        with pytest.raises(RequestRefused, match="not in the vocabulary"):
            await reading


async def test_a_worker_adopts_the_precision_of_its_first_engine(
    checkpoint: Checkpoint, folder: Path
) -> None:
    with zmq.asyncio.Context() as context:
        stage, client = Stage(context, folder / "e.sock"), EngineClient(f"ipc://{folder}/e.sock", checkpoint)
        connecting = asyncio.create_task(client.connect())
        await stage.welcome(checkpoint, precision="int8")
        await connecting
        assert client.precision == "int8"
        assert client.failed is None
        await client.close()
        stage.socket.close()


async def test_an_engine_that_comes_back_reading_otherwise_ends_it(
    checkpoint: Checkpoint, folder: Path
) -> None:
    """Its records and what it puts into the cache would be named after another precision."""
    async with staged(checkpoint, folder) as (stage, identity, client):
        reading = asyncio.create_task(client.read(passages(1)))
        await stage.hear(wire.Read)
        await stage.say(identity, wire.Refused(0, "say Hello first", final=False))
        await stage.welcome(checkpoint, "second", "bf16")
        with pytest.raises(EngineError, match="came back reading in bf16"):
            await reading
        assert client.failed is not None
        assert not client.alive


async def test_closing_fails_what_still_waits(checkpoint: Checkpoint, folder: Path) -> None:
    async with staged(checkpoint, folder) as (stage, _, client):
        reading = asyncio.create_task(client.read(passages(1)))
        await stage.hear(wire.Read)
        await client.close()
        with pytest.raises(EngineError, match="closed"):
            await reading


async def test_a_message_it_cannot_read_is_an_error_and_no_silence(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        reading = asyncio.create_task(client.read(passages(1)))
        await stage.hear(wire.Read)
        await stage.socket.send_multipart([identity, b"\xff"])
        with pytest.raises(EngineError, match="this is a bug"):
            await reading


async def test_killed_and_started_again_the_real_engine_answers_everything(
    checkpoint: Checkpoint, folder: Path
) -> None:
    """kill -9 with reads in flight: not one of them notices."""
    process = EngineProcess(checkpoint.folder, folder)
    first_answer = asyncio.Event()
    with process:
        async with EngineClient(process.address, checkpoint) as client:
            running = True
            readings: list[tuple[int, Any]] = []
            numbers = itertools.count()

            async def keep_reading() -> None:
                while running:
                    number = next(numbers)
                    readings.append((number, await client.read(passages(number % 20 + 1, number))))
                    first_answer.set()

            readers = [asyncio.create_task(keep_reading()) for _ in range(8)]
            await asyncio.wait_for(first_answer.wait(), 120)
            await asyncio.to_thread(process.end, signal.SIGKILL)
            await until(lambda: not client.alive)
            first_answer.clear()
            process.begin()
            await asyncio.wait_for(first_answer.wait(), 120)
            running = False
            await asyncio.wait_for(asyncio.gather(*readers), 120)
    assert len(readings) > 8
    for number, reading in readings[:: max(1, len(readings) // 20)]:
        assert reading.findings == expected(checkpoint, passages(number % 20 + 1, number))


def test_a_bare_base_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(Exception, match="bare base without heads"):
        EngineClient("ipc:///tmp/x", replace(checkpoint, heads=()))
