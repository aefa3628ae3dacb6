import asyncio
import itertools
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
import zmq.asyncio

from models import wire
from models.answers import Answer, together
from models.checkpoint import Checkpoint
from models.client import EXPLAINED_AT_ONCE, EngineClient
from models.engine import Engine
from models.errors import EngineError, RequestRefused
from models.explaining.asking import Asking
from models.explaining.explain import Explainer
from models.explaining.questions import Weighed
from models.reader import PassageFault
from models.server import Server
from models.types import Findings
from tests.both_ends import Stage, expected, staged, texts, until
from tests.decisive import decisive, record
from tests.engines import EngineProcess


async def test_findings_are_those_of_an_engine_in_this_process(checkpoint: Checkpoint, folder: Path) -> None:
    engine, stop = Engine(checkpoint, "cpu", readers=1), asyncio.Event()
    serving = asyncio.create_task(Server(engine, checkpoint).run(folder / "e.sock", stop))
    async with EngineClient(f"ipc://{folder}/e.sock", checkpoint) as client:
        readings = await asyncio.gather(*(client.read(texts(n, n)) for n in range(12)))
        assert client.alive
    stop.set()
    await serving
    engine.close()
    for n, reading in enumerate(readings):
        assert reading.findings == expected(checkpoint, texts(n, n))
    assert any(f.mentions for f in readings[-1].findings if isinstance(f, Findings))


async def test_it_waits_for_an_engine_that_is_not_there_yet(checkpoint: Checkpoint, folder: Path) -> None:
    client = EngineClient(f"ipc://{folder}/e.sock", checkpoint)
    connecting = asyncio.create_task(client.connect())
    reading = asyncio.create_task(client.read(texts(1)))
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
                await client.read(texts(1))
            await client.close()
            stage.socket.close()


async def test_an_engine_started_anew_is_asked_again_for_all_it_owes(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        first, second = (asyncio.create_task(client.read(texts(1))) for _ in range(2))
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
        reading = asyncio.create_task(client.read(texts(1), "stat"))
        _, read = await stage.hear(wire.Read)
        assert read.lane == "stat"
        reading.cancel()
        _, cancel = await stage.hear(wire.Cancel)
        assert cancel.number == read.number


async def test_faults_of_passages_are_values_and_refusals_are_errors(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        reading = asyncio.create_task(client.read(texts(3)))
        _, read = await stage.hear(wire.Read)
        mixed = [Answer(), Answer("model-non-finite"), Answer("device-out-of-memory")]
        await stage.socket.send_multipart([identity, *wire.pack_answers(read.number, together(mixed))])
        faults = [PassageFault("model-non-finite"), PassageFault("device-out-of-memory")]
        assert (await reading).findings == [Findings(), *faults]

        reading = asyncio.create_task(client.read(texts(1)))
        _, read = await stage.hear(wire.Read)
        await stage.say(identity, wire.Refused(read.number, "a token is not in the vocabulary"))
        with pytest.raises(RequestRefused, match="not in the vocabulary"):
            await reading


async def test_a_worker_adopts_the_precision_of_its_first_engine(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder, precision="int8") as (_, _, client):
        assert client.precision == "int8"
        assert client.failed is None


async def test_an_engine_that_comes_back_reading_otherwise_ends_it(
    checkpoint: Checkpoint, folder: Path
) -> None:
    """Its records and what it puts into the cache would be named after another precision."""
    async with staged(checkpoint, folder) as (stage, identity, client):
        reading = asyncio.create_task(client.read(texts(1)))
        await stage.hear(wire.Read)
        await stage.say(identity, wire.Refused(0, "say Hello first", final=False))
        await stage.welcome(checkpoint, "second", "bf16")
        with pytest.raises(EngineError, match="came back reading in bf16"):
            await reading
        assert client.failed is not None
        assert not client.alive


QUESTIONS = np.array([[0, 0, 0, 1, 0, 0]], np.int32)
PIECES = [(np.array([5, 6], np.int32), np.zeros(2, np.uint8))]


async def test_why_a_record_says_what_it_says_comes_through_the_real_socket(
    tmp_path: Path, folder: Path
) -> None:
    decided = decisive(tmp_path / "made")
    engine, stop = Engine(decided, "cpu", readers=1), asyncio.Event()
    serving = asyncio.create_task(Server(engine, decided).run(folder / "e.sock", stop))
    note, annotation = record("denies chest pain", topic=0.9, certainty="negative")
    async with EngineClient(f"ipc://{folder}/e.sock", decided) as client:
        found = await Asking(decided).explain(note, annotation, b"ig", client)
        with pytest.raises(RequestRefused, match="does not fit"):
            await client.weigh(PIECES, QUESTIONS + 9, "ig")
    stop.set()
    await serving
    engine.close()
    expected = Explainer(decided, "cpu").explain(note, annotation, "ig")
    assert [own.score for own in found.explanations] == [own.score for own in expected]
    assert [own.words[0].text for own in found.explanations[:2]] == ["pain", "denies"]


async def test_an_engine_started_anew_is_asked_again_to_explain_one_and_the_next(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        asking = [asyncio.create_task(client.weigh(PIECES, QUESTIONS, "rollout")) for _ in range(4)]
        asked = [(await stage.hear(wire.Explain))[1].number for _ in range(EXPLAINED_AT_ONCE)]
        await stage.say(identity, wire.Refused(0, "say Hello first", final=False))
        await stage.welcome(checkpoint, "second")
        weighed = Weighed(np.array([1.5]), np.array([np.nan]), np.array([0.25, 0.5], np.float32))
        heard = []
        for _ in range(4):
            heard.append((await stage.hear(wire.Explain))[1].number)
            if len(heard) == EXPLAINED_AT_ONCE:
                assert heard == asked, "no third while two are being explained"
            if len(heard) >= EXPLAINED_AT_ONCE:
                number = heard[len(heard) - EXPLAINED_AT_ONCE]
                await stage.socket.send_multipart([identity, *wire.pack_weighed(number, weighed)])
        await stage.socket.send_multipart([identity, *wire.pack_weighed(heard[-1], weighed)])
        for found in await asyncio.gather(*asking):
            assert [array.tolist() for array in (found.scores, found.weights)] == [[1.5], [0.25, 0.5]]
            assert np.isnan(found.baselines).all()


async def test_closing_fails_what_still_waits(checkpoint: Checkpoint, folder: Path) -> None:
    async with staged(checkpoint, folder) as (stage, _, client):
        reading = asyncio.create_task(client.read(texts(1)))
        await stage.hear(wire.Read)
        await client.close()
        with pytest.raises(EngineError, match="closed"):
            await reading


async def test_a_message_it_cannot_read_is_an_error_and_no_silence(
    checkpoint: Checkpoint, folder: Path
) -> None:
    async with staged(checkpoint, folder) as (stage, identity, client):
        reading = asyncio.create_task(client.read(texts(1)))
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
                    readings.append((number, await client.read(texts(number % 20 + 1, number))))
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
        assert reading.findings == expected(checkpoint, texts(number % 20 + 1, number))


def test_a_bare_base_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(Exception, match="bare base without heads"):
        EngineClient("ipc:///tmp/x", replace(checkpoint, heads=()))
