"""What a worker says of itself: whether it is ready, what it waits for, why its start was refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streamer import brokers, settings, worker
from streamer.endpoints import Health
from streamer.errors import NotAllowed, SettingError, TopicMissing, WorldError
from streamer.settings import Settings
from streamer.topics import Incoming, Outgoing
from streamer.watchdog import LOOK_S
from streamer.worker import Worker
from tests.monitored import page


class Engine:
    alive = True
    failed = None

    async def connect(self) -> None:
        return


async def echo(incoming: Incoming) -> Outgoing:
    raise AssertionError("there is no note")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def own(engine: Engine) -> Worker:
    """One that has had its first assignment."""
    made = Worker(settings.load(unready_after_s=60.0), echo, engine)
    made._worklist.joined = True
    return made


def test_a_worker_with_engine_and_partitions_is_ready(own: Worker) -> None:
    assert own.health() == Health(live=True, ready=True)


def test_it_is_not_ready_before_its_first_assignment(own: Worker) -> None:
    own._worklist.joined = False
    assert own.health() == Health(live=True, ready=False, waiting_for=("its partitions",))


def test_it_is_not_ready_while_the_engine_is_gone(own: Worker, engine: Engine) -> None:
    engine.alive = False
    assert own.health().waiting_for == ("the engine",)
    engine.alive = True
    assert own.health().ready


@pytest.mark.parametrize(("age", "ready"), [(50.0, True), (70.0, False)])
def test_it_is_not_ready_while_its_oldest_note_is_too_old(own: Worker, age: float, ready: bool) -> None:
    own._oldest = time.time() - age
    assert own.health().ready is ready
    assert own.health().waiting_for == (() if ready else ("notes that are too old",))


def test_it_is_not_ready_while_its_event_loop_stands_still(own: Worker) -> None:
    for _ in range(int(worker.FROZEN_S / LOOK_S) + 1):
        own._watchdog.look()
    assert own.health().waiting_for == ("its event loop",)
    own._watchdog.beat()
    assert own.health().ready


def test_what_nobody_foresaw_is_the_end_of_it(own: Worker) -> None:
    own.fail(ValueError())
    assert not own.health().live


@pytest.mark.parametrize(
    ("error", "kind"),
    [(TopicMissing(["annotations"]), "topic-missing"), (NotAllowed("grant it"), "not-authorised")],
    ids=["a topic is gone", "a permission is gone"],
)
async def test_a_refused_start_counts_as_a_refusal_so_that_its_alert_lasts(
    own: Worker, error: SettingError, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(chosen: Settings) -> None:
        raise error

    monkeypatch.setattr(brokers, "check", refuse)
    name = f"streamer_publish_errors_total{{kind={kind}}}"
    before = page()[name]
    with pytest.raises(type(error)):
        await own.run()
    assert page()[name] == before + 1


@pytest.mark.parametrize("of_a_node", [True, False])
async def test_in_a_node_brokers_that_do_not_answer_are_waited_for(
    of_a_node: bool, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def away(chosen: Settings) -> dict[str, int]:
        nonlocal asked
        asked += 1
        if asked < 4:
            raise WorldError("nobody answers")
        return {"annotations": 1}

    monkeypatch.setattr(brokers, "check", away)
    monkeypatch.setattr(worker, "WATCH_S", 0.0)
    own = Worker(settings.load(), echo, engine, tmp_path / "ready" if of_a_node else None)
    if of_a_node:
        assert await own._checked() == {"annotations": 1}
        monkeypatch.setattr(worker, "RETURN_S", 0.0)
        asked = 0
    with pytest.raises(WorldError):
        await own._checked()
    assert asked == 1
