import os
import stat
from pathlib import Path

import numpy as np
import pytest

from models import wire
from models.checkpoint import Checkpoint
from models.engine import Engine
from models.errors import CheckpointError, EngineError
from models.explaining.asking import Asking
from models.explaining.explain import Explainer
from models.explaining.serving import Serving
from models.explanation import Method
from models.server import serve, socket_path
from tests.both_ends import Held, passages, servers, serving, until
from tests.decisive import decisive, record

READERS = 1


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
        assert "protocol 9: this engine speaks 3" in (await worker.ask(wire.Hello(9, "x"))).reason
        for noise in (
            b"",
            b"\xff\xfe",
            b"\x81",
            b"\x82\xa4type\xa4Ping\xa1x" + b"\x91" * 200_000,
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


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return decisive(tmp_path_factory.mktemp("decisive") / "made")


BY: tuple[tuple[int, Method], ...] = ((3, "ig"), (4, "rollout"))


async def test_why_a_record_says_what_it_says_is_answered_beside_the_reading(
    engine: Engine, decided: Checkpoint, folder: Path
) -> None:
    asked = Asking(decided).ask(*record("denies chest pain", topic=0.9, certainty="negative"))
    frames = wire.pack_questions(asked.pieces, asked.questions)
    async with serving(engine, decided, folder) as (worker,):
        await worker.hello()
        for number, method in BY:
            await worker.say(wire.Explain(number, method), *frames)
        assert len((await worker.read(5, passages(3))).answers) == 1, "reading is not kept waiting"
        for number, method in BY:
            header, arrays = await worker.hear()
            assert header == wire.Explained(number)
            expected = Explainer(decided, "cpu").weigh(asked.pieces, asked.questions, method)
            for found, theirs in zip(wire.unpack_weighed(arrays), expected, strict=True):
                assert found == pytest.approx(theirs, nan_ok=True)


async def test_questions_that_are_wrong_are_refused_with_a_reason(
    engine: Engine, decided: Checkpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = wire.pack_questions(passages(4), np.array([[0, 0, 1, 2, 0, 0]], np.int32))
    cases = [
        (good[:3], "four arrays"),
        ([*good[:3], good[3][:-4]], "of 6 numbers"),
        ([*good[:3], good[3][:-1]], "within a number"),
        ([good[0], good[1][:-4], *good[2:]], "do not add up"),
        ([*good[:3], np.array([0, 7, 1, 2, 0, 0], "<i4").tobytes()], "does not fit its passage"),
    ]
    async with serving(engine, decided, folder) as (worker,):
        await worker.hello()
        for arrays, said in cases:
            refused = await worker.ask(wire.Explain(5, "ig"), *arrays)
            assert (refused.number, refused.final) == (5, True)
            assert said in refused.reason
        monkeypatch.setattr(Serving, "submit", lambda *_: None)
        assert not (await worker.ask(wire.Explain(6, "ig"), *good)).final, "no room: ask again"


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
