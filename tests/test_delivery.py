"""At least once: acknowledged before it is committed, and what a refused record costs its neighbours."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

import pytest
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced
from hypothesis import given
from hypothesis import strategies as st

from streamer import delivery, metrics
from streamer.delivery import Acknowledged, SharedProducer
from streamer.outlet import Outlet
from streamer.release import Partition, Slot
from streamer.topics import Incoming, Outgoing

NOTE = Incoming("notes", 3, 7, -1, b"key", b"text", (("theirs", b"h"),))


def slot(value: bytes) -> Slot:
    own = Slot(NOTE)
    own.outgoing = Outgoing("annotations", b"key", value)
    return own


class Numbered:
    """Takes batches of four by their numbers, as brokers do: after one that it refuses it takes no more."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken: list[bytes | None] = []
        self.started = 0

    def producer(self, **options: Any) -> _Line:
        assert options["enable_idempotence"]
        assert options["acks"] == "all"
        return _Line(self)


class _Line:
    """A producer's own numbers."""

    def __init__(self, brokers: Numbered) -> None:
        self._brokers = brokers
        self._batch: list[tuple[bytes | None, asyncio.Future[None]]] = []
        self._gap = False

    async def start(self) -> None:
        self._brokers.started += 1

    async def stop(self) -> None:
        return

    async def send(self, topic: str, value: bytes | None, *_: Any, **__: Any) -> Any:
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batch.append((value, sent))
        asyncio.get_running_loop().call_soon(self._deliver)
        return sent

    def _deliver(self) -> None:
        batch, self._batch = self._batch[:4], self._batch[4:]
        if self._gap or not batch:
            return
        self._gap = sum(len(value or b"") for value, _ in batch) > self._brokers.limit
        for value, sent in batch:
            if self._gap:
                sent.set_exception(MessageSizeTooLargeError())
            else:
                self._brokers.taken.append(value)
                sent.set_result(None)
        asyncio.get_running_loop().call_soon(self._deliver)


async def at_least_once(
    values: list[bytes], monkeypatch: pytest.MonkeyPatch, runs: int = 1
) -> tuple[Numbered, list[tuple[int, int]]]:
    """So many partitions publish these at the same time, through brokers that take ten bytes a batch.

    With the brokers: how many records they had at each commit, and its offset.
    """
    brokers = Numbered(limit=10)
    monkeypatch.setattr(delivery, "AIOKafkaProducer", brokers.producer)
    shared, committed = SharedProducer({}), []
    await shared.start()

    async def commit(partition: Partition, offset: int) -> None:
        committed.append((len(brokers.taken), offset))

    outlet = Outlet({"annotations": 1000, "dead": 1000}, "dead")
    partitions = [Acknowledged(Partition("notes", n), cast(Any, shared), commit, outlet) for n in range(runs)]
    await asyncio.gather(*[own.publish([slot(value) for value in values], 8) for own in partitions])
    await shared.stop()
    return brokers, committed


async def test_at_least_once_commits_after_every_record_is_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brokers, committed = await at_least_once([b"a", b"b"], monkeypatch)
    assert brokers.taken == [b"a", b"b"]
    assert committed == [(2, 8)]
    assert brokers.started == 1


@given(sizes=st.lists(st.sampled_from([1, 2, 4, 11]), min_size=1, max_size=12), runs=st.integers(1, 3))
def test_at_least_once_only_what_is_too_large_itself_becomes_a_dead_letter(
    sizes: list[int], runs: int
) -> None:
    """Though it is refused with its batch, and brokers take nothing more from that producer."""
    values = [b"%d" % (n % 10) * size for n, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        brokers, committed = asyncio.run(at_least_once(values, patch, runs))
    expected = Counter[bytes | None]([value if len(value) < 11 else b"text" for value in values] * runs)
    assert set(brokers.taken) == set(expected)
    assert not expected - Counter(brokers.taken)  # twice is allowed, and never less
    assert len(committed) == runs


def test_every_refusal_is_counted_under_a_known_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    monkeypatch.setattr(metrics, "publish_refused", counted.append)
    for error in (TimeoutError(), ProducerFenced(), ValueError()):
        with pytest.raises(type(error)), delivery._refusals_counted():
            raise error
    assert counted == ["timeout", "fenced", "other"]
