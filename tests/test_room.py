import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models import credit as credit_module
from models import server as server_module
from models import wire
from models.checkpoint import Checkpoint
from models.client import EngineClient
from models.engine import Engine
from models.reader import Reader
from models.server import Server
from models.types import Findings, Lane
from tests.both_ends import Held, expected, passages, serving, staged, texts

READERS = 1


# --- the engine gives room ----------------------------------------------------------------------


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
        assert any(31 in batch for batch in held.batches[:2])
        assert len(held.batches) < 5
        held.release()
        for _ in range(50):
            await flood.hear()


# --- workers keep to it --------------------------------------------------------------------------


def room_for(checkpoint: Checkpoint, count: int) -> int:
    (tokens,) = Reader(checkpoint).tokenise([texts(1)[0].text])
    return count * wire.weight([tokens.passage])


async def test_no_more_is_outstanding_than_the_engine_has_room_for(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder, room_for(checkpoint, 2)) as (stage, identity, client):
        readings = [asyncio.create_task(client.read(texts(1))) for _ in range(3)]
        numbers = [(await stage.hear(wire.Read))[1].number for _ in range(2)]
        await stage.hear(wire.Ping)
        await stage.hear(wire.Ping)  # and no third read between the two
        await stage.answer(identity, numbers[0])
        _, third = await stage.hear(wire.Read)
        for number in (numbers[1], third.number):
            await stage.answer(identity, number)
        await asyncio.gather(*readings)
        large = asyncio.create_task(client.read(texts(5)))  # more than the limit: alone it may
        _, read = await stage.hear(wire.Read)
        await stage.answer(identity, read.number, 5)
        assert len((await large).findings) == 5


async def test_a_pong_gives_more_room(checkpoint: Checkpoint, folder: Path) -> None:
    async with staged(checkpoint, folder, room_for(checkpoint, 1)) as (stage, identity, client):
        readings = [asyncio.create_task(client.read(texts(1))) for _ in range(2)]
        numbers = [(await stage.hear(wire.Read))[1].number]
        await stage.hear(wire.Ping)
        await stage.say(identity, wire.Pong("first", room_for(checkpoint, 2)))
        numbers.append((await stage.hear(wire.Read))[1].number)
        for number in numbers:
            await stage.answer(identity, number)
        await asyncio.gather(*readings)


async def test_the_wait_for_room_counts_with_the_wait_in_the_engines_queue(
    checkpoint: Checkpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, waits = SimpleNamespace(now=100.0), list[tuple[Lane, float]]()
    monkeypatch.setattr(credit_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    room = room_for(checkpoint, 1)
    async with staged(checkpoint, folder, room, waited=lambda *own: waits.append(own)) as ends:
        stage, identity, client = ends
        readings = [asyncio.create_task(client.read(texts(1), "stat")) for _ in range(2)]
        _, first = await stage.hear(wire.Read)
        clock.now += 3
        await stage.answer(identity, first.number)
        _, second = await stage.hear(wire.Read)
        await stage.answer(identity, second.number)
        await asyncio.gather(*readings)
    assert [lane for lane, _ in waits] == ["stat", "stat"]
    assert [seconds for _, seconds in waits] == pytest.approx([0.0015, 3.0015])


async def test_a_backfill_that_fills_the_room_keeps_nothing_urgent_waiting(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder, room_for(checkpoint, 1)) as (stage, identity, client):
        backfill = [asyncio.create_task(client.read(texts(1), "backfill")) for _ in range(9)]
        _, first = await stage.hear(wire.Read)
        stat = asyncio.create_task(client.read(texts(1), "stat"))
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
        readings = [asyncio.create_task(client.read(texts(1))) for _ in range(3)]
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
        readings += [asyncio.create_task(client.read(texts(2, n), "backfill")) for n in range(30)]
    got = [reading.findings for reading in await asyncio.gather(*readings)]
    wanted = [expected(checkpoint, texts(2, n)) for n in range(30)]
    assert got == wanted * 3
    assert 64 < max(depths) <= 5 * 64, "three batches together, or as one worker alone may and one for each"
    for client in clients:
        await client.close()
    stop.set()
    await serving
    engine.close()
