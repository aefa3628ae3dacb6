"""When finished notes go out: how long they wait for company, and for slow brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streamer import release
from streamer.release import Release, Slot
from tests.test_release import HERE, Brokers, FakePublisher, answer, note, settle


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what a test changes."""
    for name, value in {"CADENCE_S": 0.0, "REST": 0.0, "COMPANY": 0.0, "COMPANY_S": 60.0}.items():
        monkeypatch.setattr(release, name, value)


class Counting(FakePublisher):
    """Keeps the offsets of every run."""

    def __init__(self) -> None:
        super().__init__(Brokers())
        self.runs: list[list[int]] = []

    async def publish(self, run: Sequence[Slot], after: int) -> None:
        self.runs.append([slot.incoming.offset for slot in run])


async def released_of_three(age: float) -> tuple[Release, Counting, list[Slot]]:
    """Three notes of an age in seconds, the first two finished, the second after the first went out."""
    publisher = Counting()
    own = Release(HERE, 1, publisher, lambda error: None)
    await own.start()
    slots = [slot for offset in range(3) if (slot := own.take(note(offset)))]
    for slot in slots:
        slot.since -= age
    for slot in slots[:2]:
        own.finish(slot, answer(slot.incoming.offset))
        await settle()
    return own, publisher, slots


async def test_old_notes_wait_for_company_until_there_is_none_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(release, "COMPANY", 1.0)
    own, publisher, slots = await released_of_three(age=3600)
    assert publisher.runs == [[0]]
    own.finish(slots[2], answer(2))
    await settle()
    assert publisher.runs == [[0], [1, 2]]
    await own.close(0.0)


async def test_a_release_that_waits_for_company_ends_at_once_when_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(release, "COMPANY", 1.0)
    own, publisher, _ = await released_of_three(age=3600)
    began = asyncio.get_running_loop().time()
    await own.close(began + 30)
    assert asyncio.get_running_loop().time() - began < 5
    assert publisher.runs == [[0], [1]]


async def test_young_notes_wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "COMPANY", 1e-9)
    own, publisher, _ = await released_of_three(age=0)
    assert publisher.runs == [[0], [1]]
    await own.close(0.0)


async def test_company_is_waited_for_no_longer_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "COMPANY", 1.0)
    monkeypatch.setattr(release, "COMPANY_S", 0.0)
    own, publisher, _ = await released_of_three(age=3600)
    assert publisher.runs == [[0], [1]]
    await own.close(0.0)


@pytest.mark.parametrize(("rest", "runs"), [(0.0, [[0], [1]]), (1e9, [[0]])])
async def test_slow_brokers_get_fewer_releases_until_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, rest: float, runs: list[list[int]]
) -> None:
    monkeypatch.setattr(release, "REST", rest)
    own, publisher, _ = await released_of_three(age=0)
    assert publisher.runs == runs
    began = asyncio.get_running_loop().time()
    await own.close(began + 30)
    assert publisher.runs == [[0], [1]]
    assert asyncio.get_running_loop().time() - began < 5
