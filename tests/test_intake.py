"""Our fetch loop: nothing is handed over before the position is sure, nothing of a past generation."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from streamer import settings
from streamer.intake import Intake, faust_app
from streamer.release import Partition
from streamer.topics import Incoming, Outgoing
from streamer.watchdog import Starved
from streamer.worklist import Run, Worklist

HERE = TopicPartition("notes", 0)


class Channel:
    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.queue = SimpleNamespace(force_put_nowait=lambda event: self.runs.append(event.value))


class Group:
    """The worklist, and the order in which things were asked of it and of the brokers."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.full = False

    async def fence(self, partitions: set[Any], generation: int) -> None:
        self.calls.append(f"fence {generation}")

    async def drain(self, seconds: float) -> bool:
        self.calls.append("drain")
        return True


class Brokers:
    """What Faust's consumer thread would answer."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls
        self.committed: dict[TopicPartition, int | None] = {HERE: 7}
        self.assigned = {HERE}
        self.position: dict[TopicPartition, int] = {}
        self.fetched: dict[TopicPartition, list[Any]] = {}
        self.end: int | None = 0

    async def positions(self) -> dict[TopicPartition, int]:
        return self.position

    async def ends(self) -> dict[TopicPartition, int]:
        self._calls.append("ends")
        if self.end is None:
            raise KafkaError
        return {HERE: self.end}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def seek_to_committed(self) -> dict[TopicPartition, int | None]:
        self._calls.append("committed")
        return self.committed

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self._calls.append(f"beginning {len(partitions)}")

    async def commit(self, offsets: Any) -> None:
        raise AssertionError("Faust must not commit")


@pytest.fixture
def intake() -> Any:
    """An intake whose thread is `Brokers`, in generation 1, with the flow on."""
    own: Any = Intake.__new__(Intake)
    worklist, channel = Group(), Channel()
    own.app = SimpleNamespace(
        consumer_generation_id=1,
        worklist=worklist,
        topics=SimpleNamespace(_tp_index={HERE: {channel}}),
    )
    own.channel = channel
    own._thread = Brokers(worklist.calls)
    own._seeking = asyncio.Lock()
    own._placed = None
    own._handed = {}
    own._looked_at, own.starved = math.inf, Starved()
    own._read_offset, own._committed_offset = {}, {}
    own.flow_active = True

    async def next_records(timeout: float) -> tuple[Any, None]:
        return own._thread.fetched, None

    own._wait_next_records = next_records
    return own


def record(offset: int, headers: tuple[Any, ...] = ()) -> Any:
    return ConsumerRecord("notes", 0, offset, 1234, 0, b"k", b"v", None, 1, 1, headers)


async def test_predecessors_are_fenced_before_the_committed_offsets_are_read(intake: Any) -> None:
    await intake.perform_seek()
    assert intake.app.worklist.calls == ["fence 1", "committed"]


async def test_the_first_turn_of_a_generation_finds_the_place_and_fetches_nothing(intake: Any) -> None:
    intake._thread.fetched = {HERE: [record(7)]}
    await intake._next_runs()
    assert intake.channel.runs == []
    await intake._next_runs()
    assert [run.records[0].offset for run in intake.channel.runs] == [7]


async def test_a_partition_whose_place_is_not_yet_found_ends_nothing(intake: Any) -> None:
    def without_a_place(now: float, partition: Any) -> None:
        raise AssertionError("aiokafka has no position")

    async def sleep(seconds: float) -> None:
        return

    intake._thread.verify_event_path = without_a_place
    intake._shutdown, intake._stopped, intake._crashed = (asyncio.Event() for _ in range(3))
    intake.sleep = sleep
    await intake.verify_all_partitions_active()


@pytest.mark.parametrize("offset", [None, 0])
async def test_without_a_committed_offset_it_begins_at_the_beginning(intake: Any, offset: int | None) -> None:
    intake._thread.committed = {HERE: offset}
    await intake.perform_seek()
    assert intake.app.worklist.calls == ["fence 1", "committed", "beginning 1"]


async def test_a_member_without_partitions_seeks_nothing(intake: Any) -> None:
    intake._thread.assigned = set()
    await intake._next_runs()
    assert intake.app.worklist.calls == ["fence 1"]
    assert intake._placed == 1


async def test_records_that_arrive_after_a_new_generation_are_dropped_and_fetched_again(intake: Any) -> None:
    await intake._next_runs()

    async def meanwhile(timeout: float) -> tuple[Any, None]:
        intake.app.consumer_generation_id = 2
        return {HERE: [record(7)]}, None

    intake._wait_next_records = meanwhile
    await intake._next_runs()
    assert intake.channel.runs == []
    intake.app.worklist.calls.clear()
    await intake._next_runs()
    assert intake.app.worklist.calls == ["fence 2", "committed"]


async def test_records_that_arrive_while_the_flow_is_off_are_dropped(intake: Any) -> None:
    await intake._next_runs()
    intake.flow_active = False
    intake._thread.fetched = {HERE: [record(7)]}
    await intake._next_runs()
    assert intake.channel.runs == []
    assert intake._placed is None


async def test_a_place_that_cannot_be_found_is_an_error_only_while_it_matters(intake: Any) -> None:
    async def refused() -> dict[Any, int]:
        raise ConnectionError

    intake._thread.seek_to_committed = refused
    with pytest.raises(ConnectionError):
        await intake._next_runs()

    async def revoked() -> dict[Any, int]:
        intake.flow_active = False
        raise ConnectionError

    intake._thread.seek_to_committed = revoked
    await intake._next_runs()
    assert intake._placed is None


async def test_a_run_is_one_event_with_every_record_as_it_came(intake: Any) -> None:
    await intake._next_runs()
    intake._thread.fetched = {HERE: [record(7, (("a", b"1"), ("a", b"2"))), record(9)]}
    await intake._next_runs()
    (run,) = intake.channel.runs
    assert (run.partition, run.generation) == (Partition("notes", 0), 1)
    assert run.records == [
        Incoming("notes", 0, 7, 1234, b"k", b"v", (("a", b"1"), ("a", b"2"))),
        Incoming("notes", 0, 9, 1234, b"k", b"v", ()),
    ]


async def test_what_is_no_note_is_passed_over_once_and_after_the_notes_before_it(intake: Any) -> None:
    await intake._next_runs()
    intake._thread.fetched, intake._thread.position = {HERE: [record(7), record(9)]}, {HERE: 10}
    await intake._next_runs()
    intake._thread.fetched = {}
    await intake._next_runs()  # the position is where the notes end
    intake._thread.position = {HERE: 12}
    await intake._next_runs()
    await intake._next_runs()
    assert [(len(run.records), run.reached) for run in intake.channel.runs] == [(2, 10), (0, 12)]


async def test_a_position_of_another_generation_says_nothing(intake: Any) -> None:
    await intake._next_runs()

    async def meanwhile() -> dict[TopicPartition, int]:
        intake.app.consumer_generation_id = 2
        return {HERE: 99}

    intake._thread.positions = meanwhile
    await intake._next_runs()
    assert intake.channel.runs == []


async def test_faust_never_commits_and_waits_for_nothing_but_the_drain(intake: Any) -> None:
    assert await intake._commit({HERE: 9}) is True
    await intake.wait_empty()
    assert intake.app.worklist.calls == ["drain"]


async def test_the_app_has_no_web_server_no_folders_and_no_commits_of_its_own(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def echo(incoming: Incoming) -> Outgoing:
        raise AssertionError

    worklist = Worklist(echo, lambda _: pytest.fail("nothing is assigned"), lambda _: None, 10)
    app = faust_app(settings.load(), worklist, lambda _: None)
    assert not app.conf.web_enabled
    assert not app.conf.topic_allow_declare
    assert app.conf.topic_disable_leader
    assert app.transport.Consumer is Intake
    await app.on_first_start()
    assert list(tmp_path.iterdir()) == []
    app._on_rebalance_when_stopped()  # there is no consumer to close yet: it must not ask for one


async def test_notes_that_are_there_and_do_not_come_are_noticed(intake: Any) -> None:
    async def turn() -> float:
        intake._looked_at = 0.0  # long ago
        await intake._next_runs()
        return float(intake.starved.for_s(math.inf))

    intake._placed = 1
    intake._thread.position, intake._thread.end = {HERE: 7}, 7
    assert math.isnan(await turn())  # nothing is there: no moment since when
    intake._thread.end = 9
    assert await turn() == math.inf
    intake._thread.end = None  # nobody knows
    assert math.isnan(await turn())
    assert intake.app.worklist.calls.count("ends") == 3
    intake._looked_at = math.inf
    await intake._next_runs()
    assert intake.app.worklist.calls.count("ends") == 3
