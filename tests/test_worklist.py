"""What a worker holds: bounded, begun in order, drained in time; an unforeseen error ends it uncommitted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from streamer import worklist as module
from streamer.release import Partition, Slot
from streamer.topics import Incoming, Outgoing
from streamer.worklist import Run, Worklist

HERE = Partition("notes", 0)


class Published:
    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.arrived = asyncio.Event()

    async def start(self) -> None:
        return

    async def publish(self, run: Sequence[Slot], after: int) -> None:
        self.offsets += [slot.incoming.offset for slot in run]
        self.arrived.set()

    async def stop(self) -> None:
        return


class Reader:
    """Notes are answered when the test says so."""

    def __init__(self) -> None:
        self.begun: dict[int, asyncio.Future[Outgoing]] = {}
        self._more = asyncio.Event()

    async def __call__(self, incoming: Incoming) -> Outgoing:
        future: asyncio.Future[Outgoing] = asyncio.get_running_loop().create_future()
        self.begun[incoming.offset] = future
        self._more.set()
        return await future

    async def has_begun(self, count: int) -> None:
        while len(self.begun) < count:
            self._more.clear()
            await self._more.wait()

    def answer(self, offset: int) -> None:
        self.begun[offset].set_result(Outgoing("annotations", None, b""))


def run(offsets: Sequence[int], generation: int = 1, size: int = 4) -> Run:
    return Run(
        HERE, generation, [Incoming("notes", 0, offset, -1, None, b"x" * size, ()) for offset in offsets]
    )


async def begun(
    reader: Reader, fail: Callable[[BaseException], None] | None = None, most: int = 100
) -> tuple[Worklist, Published]:
    published = Published()

    def unexpected(error: BaseException) -> None:
        raise AssertionError from error

    own = Worklist(reader, lambda _: published, fail or unexpected, most)
    await own.fence([HERE], 1)
    return own, published


async def test_only_so_many_notes_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READING", 2)
    reader = Reader()
    own, published = await begun(reader)
    own.take(run(range(5)))
    await asyncio.sleep(0)
    assert list(reader.begun) == [0, 1]
    reader.answer(0)
    await reader.has_begun(3)
    await published.arrived.wait()
    assert list(reader.begun) == [0, 1, 2]
    await own.drain(0.0)


async def test_it_is_full_by_notes_or_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    own, _ = await begun(reader, most=4)
    own.take(run(range(3)))
    assert (own.unreleased, own.full) == (3, False)
    own.take(run([3]))
    assert (own.unreleased, own.full) == (4, True)
    await own.drain(0.0)
    monkeypatch.setattr(module, "HELD_BYTES", 100)
    await own.fence([HERE], 2)
    own.take(run([0], generation=2, size=101))
    await asyncio.sleep(0)
    assert own.full
    await own.drain(0.0)


async def test_draining_forgets_what_waits_and_finishes_what_was_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "READING", 2)
    reader = Reader()
    own, published = await begun(reader)
    own.take(run(range(5)))
    await asyncio.sleep(0)
    draining = asyncio.create_task(own.drain(5.0))
    await asyncio.sleep(0)
    reader.answer(1)
    reader.answer(0)
    assert await draining
    assert published.offsets == [0, 1]
    assert list(reader.begun) == [0, 1]
    assert own.unreleased == 0


async def test_draining_does_not_wait_for_a_note_that_hangs() -> None:
    reader = Reader()
    own, published = await begun(reader)
    own.take(run(range(3)))
    await asyncio.sleep(0)
    reader.answer(0)
    reader.answer(2)
    assert not await own.drain(0.05)
    assert published.offsets == [0]
    assert reader.begun[1].cancelled()


async def test_an_unforeseen_error_is_told_and_its_note_is_not_published() -> None:
    errors: list[BaseException] = []
    reader = Reader()
    own, published = await begun(reader, errors.append)
    own.take(run(range(3)))
    await asyncio.sleep(0)
    reader.answer(0)
    reader.begun[1].set_exception(ZeroDivisionError())
    reader.answer(2)
    await published.arrived.wait()
    await own.drain(1.0)
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert published.offsets == [0]


async def test_a_partition_that_is_not_ours_is_left_alone() -> None:
    reader = Reader()
    own, _ = await begun(reader)
    own.take(Run(Partition("notes", 1), 1, run([0]).records))
    own.take(run([0], generation=0))
    await asyncio.sleep(0)
    assert not reader.begun
    await own.drain(0.0)


async def test_a_generation_is_fenced_once() -> None:
    started: list[Partition] = []

    class Counted(Published):
        async def start(self) -> None:
            started.append(HERE)

    own = Worklist(Reader(), lambda _: Counted(), lambda _: None, 10)
    await own.fence([HERE], 1)
    await own.fence([HERE], 1)
    assert len(started) == 1
    await own.fence([HERE], 2)
    assert len(started) == 2
    await own.fence([], 3)
    assert not own.partitions
