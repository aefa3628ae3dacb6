"""Whatever order notes finish in, whoever owns their partition: each is published once, in offset order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamer import release
from streamer.release import Partition, Prefix, Release, Slot
from streamer.topics import Incoming, Outgoing
from streamer.worklist import Run, Worklist

HERE = Partition("notes", 0)


def note(offset: int) -> Incoming:
    return Incoming("notes", 0, offset, -1, b"key", b"text", ())


def answer(offset: int) -> Outgoing:
    return Outgoing("annotations", b"key", b"%d" % offset)


class Fenced(Exception):
    pass


class Brokers:
    """One input partition with its committed offset, and what was published for it."""

    def __init__(self) -> None:
        self.epoch = 0
        self.committed = 0
        self.published: list[int] = []


class FakePublisher:
    """Publishes and commits as one, and only while no successor was started."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._epoch = 0

    async def start(self) -> None:
        self._brokers.epoch += 1
        self._epoch = self._brokers.epoch

    async def publish(self, run: Sequence[Slot], after: int) -> None:
        if self._epoch != self._brokers.epoch:
            raise Fenced
        for slot in run:
            assert slot.outgoing is not None
            assert slot.outgoing.value is not None
            self._brokers.published.append(int(slot.outgoing.value))
        self._brokers.committed = after

    async def stop(self) -> None:
        return


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "CADENCE_S", 0.0)
    monkeypatch.setattr(release, "REST", 0.0)
    monkeypatch.setattr(release, "COMPANY", 0.0)


class Delivery(RuleBasedStateMachine):
    """Workers come, are revoked, die without a word, and go on as zombies that nobody told."""

    @initialize(gaps=st.sets(st.integers(0, 60), max_size=20))
    def begin(self, gaps: set[int]) -> None:
        self.loop = asyncio.new_event_loop()
        # Offsets of a real partition have gaps: transaction markers, compacted records.
        self.log = [offset for offset in range(60) if offset not in gaps]
        self.brokers = Brokers()
        self.generation = 0
        self.failures: list[BaseException] = []
        self.pending: list[tuple[Worklist, int, asyncio.Future[Outgoing]]] = []
        self.zombies: list[Worklist] = []
        self.appoint()

    def appoint(self) -> None:
        """A new worker gets the partition, and reads from the committed offset."""

        async def read(incoming: Incoming) -> Outgoing:
            future: asyncio.Future[Outgoing] = asyncio.get_running_loop().create_future()
            self.pending.append((worklist, incoming.offset, future))
            return await future

        worklist = Worklist(read, lambda _: FakePublisher(self.brokers), self.failures.append, 1000)
        self.worklist = worklist
        self.assign()

    def assign(self) -> None:
        self.generation += 1
        self.run(self.worklist.fence([HERE], self.generation))
        self.position = self.brokers.committed

    def run(self, coroutine: Coroutine[None, None, object]) -> None:
        async def settled() -> None:
            await coroutine
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(settled())

    async def take(self, generation: int, records: list[Incoming], reached: int | None = None) -> None:
        self.worklist.take(Run(HERE, generation, records, reached))

    @rule(count=st.integers(1, 12))
    def fetch(self, count: int) -> None:
        records = [note(offset) for offset in self.log if offset >= self.position][:count]
        if records:
            self.position = records[-1].offset + 1
            self.run(self.take(self.generation, records))

    @rule()
    def pass_over(self) -> None:
        """Nothing was fetched, though the position moved: up to the next note there is none."""
        self.position = min((offset for offset in self.log if offset >= self.position), default=60)
        self.run(self.take(self.generation, [], self.position))

    @rule()
    def fetch_again(self) -> None:
        """The position went back although nothing was revoked: no note may be read twice."""
        self.position = self.brokers.committed

    @rule(count=st.integers(1, 5))
    def late_run_of_a_generation_that_is_over(self, count: int) -> None:
        self.run(self.take(self.generation - 1, [note(offset) for offset in self.log[:count]]))

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        _, offset, future = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        if not future.done():
            future.set_result(answer(offset))
        self.run(asyncio.sleep(0))

    @rule()
    def rebalance(self) -> None:
        self.run(self.worklist.drain(0.0))
        self.assign()

    @rule()
    def lose_it_without_a_word(self) -> None:
        self.zombies.append(self.worklist)
        self.appoint()

    @invariant()
    def published_is_what_is_committed(self) -> None:
        if hasattr(self, "brokers"):
            assert self.brokers.published == [n for n in self.log if n < self.brokers.committed]
            assert all(isinstance(error, Fenced) for error in self.failures)

    def teardown(self) -> None:
        self.position = self.brokers.committed
        while self.brokers.committed <= self.log[-1]:
            self.fetch(60)
            for _, offset, future in self.pending:
                if not future.done():
                    future.set_result(answer(offset))
            self.pending.clear()
            self.run(asyncio.sleep(0))
        assert self.brokers.published == self.log
        for worklist in [self.worklist, *self.zombies]:
            self.run(worklist.drain(0.0))
        self.loop.close()


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_a_prefix_is_finished_only_up_to_the_first_unfinished_note() -> None:
    prefix = Prefix()
    slots = [prefix.take(note(offset)) for offset in (3, 4, 7)]
    assert all(slots)
    for slot in (slots[2], slots[1]):
        assert slot is not None
        slot.outgoing = answer(slot.incoming.offset)
    assert not prefix.ready
    assert prefix.finished() == []
    assert slots[0] is not None
    slots[0].outgoing = answer(3)
    assert [slot.incoming.offset for slot in prefix.finished()] == [3, 4, 7]
    prefix.remove(3)
    assert len(prefix) == prefix.bytes == 0


def test_an_offset_is_taken_once() -> None:
    prefix = Prefix()
    assert prefix.take(note(5)) is not None
    assert prefix.take(note(5)) is None
    assert prefix.take(note(4)) is None
    assert prefix.take(note(6)) is not None


def test_one_release_is_bounded_in_notes_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "RUN_NOTES", 3)
    prefix = Prefix()
    for offset in range(10):
        slot = prefix.take(note(offset))
        assert slot is not None
        slot.outgoing = answer(offset)
    assert len(prefix.finished()) == 3
    monkeypatch.setattr(release, "RUN_BYTES", 1)
    assert len(prefix.finished()) == 2


async def test_closing_publishes_what_is_finished_and_nothing_after_it() -> None:
    brokers = Brokers()
    failures: list[BaseException] = []
    own = Release(HERE, 1, FakePublisher(brokers), failures.append)
    await own.start()
    first, second, third = (own.take(note(offset)) for offset in range(3))
    assert first
    assert second
    assert third
    own.finish(first, answer(0))
    own.finish(third, answer(2))
    await own.close(asyncio.get_running_loop().time() + 5)
    own.finish(second, answer(1))
    await asyncio.sleep(0)
    assert brokers.published == [0]
    assert brokers.committed == 1
    assert not failures


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_is_no_note_counts_as_done_when_all_before_it_is() -> None:
    brokers = Brokers()
    own = Release(HERE, 1, FakePublisher(brokers), lambda error: None)
    await own.start()
    own.reach(5)
    await settle()
    assert (brokers.published, brokers.committed) == ([], 5)
    slot = own.take(note(6))
    assert slot
    own.reach(8)
    await settle()
    assert brokers.committed == 5
    own.finish(slot, answer(6))
    await settle()
    assert (brokers.published, brokers.committed) == ([6], 8)
    await own.close(0.0)


async def test_a_publisher_that_hangs_does_not_hold_up_the_end() -> None:
    class Hanging(FakePublisher):
        async def publish(self, run: Sequence[Slot], after: int) -> None:
            await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    own = Release(HERE, 1, Hanging(Brokers()), lambda error: None)
    await own.start()
    slot = own.take(note(0))
    assert slot
    own.finish(slot, answer(0))
    began = loop.time()
    await own.close(began + 0.05)
    assert loop.time() - began < 2
