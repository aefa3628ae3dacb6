"""How finished notes reach the brokers: exactly once, or at least once.

Exactly once: outputs, dead letters and the input offset after the last of them go into one Kafka transaction,
so a read_committed reader sees each note's answer once. The `transactional_id` is the same for every owner a
partition ever has: starting a producer under it ends whatever its predecessor left open (fencing, KIP-98).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streamer import metrics
from streamer.outlet import Outlet
from streamer.release import Partition, Slot

TRANSACTION_LIMIT_S = 15.0
START_LIMIT_S = 60.0
"""Brokers that have just come back take their time to end what a predecessor left open."""
TRANSACTION_TIMEOUT_MS = 20_000
"""When the brokers abort a transaction whose producer is gone and has no successor."""
FAREWELL_S = 2.0
FAULTS: Mapping[type[BaseException], metrics.PublishFault] = {
    TopicAuthorizationFailedError: "not-authorised",
    UnknownTopicOrPartitionError: "topic-missing",
    KafkaTimeoutError: "timeout",
    TimeoutError: "timeout",
    ProducerFenced: "fenced",
}


@contextlib.contextmanager
def _refusals_counted() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        kinds = (kind for family, kind in FAULTS.items() if isinstance(error, family))
        metrics.publish_refused(next(kinds, "other"))
        raise


class Transactions:
    """Exactly once: records and the input offset of a run in one transaction of a producer of its own."""

    def __init__(self, partition: Partition, group: str, options: Mapping[str, Any], outlet: Outlet) -> None:
        self._partition = partition
        self._group = group
        self._options = options
        self._outlet = outlet
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Fences every predecessor: its open transaction is aborted before this returns."""
        self._producer = AIOKafkaProducer(
            **self._options,
            transactional_id=f"{self._group}-{self._partition.topic}-{self._partition.partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            # Kafka 4 answers a transaction that follows quickly on the last with "try again".
            retry_backoff_ms=20,
        )
        await _started(self._producer)

    async def publish(self, run: Sequence[Slot], after: int) -> None:
        try:
            with _refusals_counted():
                async with asyncio.timeout(TRANSACTION_LIMIT_S):
                    await self._commit(run, after)
        except MessageSizeTooLargeError:
            await self._split(run, after)

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stopped(producer)

    async def _commit(self, run: Sequence[Slot], after: int) -> None:
        producer = self._producer
        assert producer is not None
        await producer.begin_transaction()
        sent = [await self._outlet.send(producer, slot) for slot in run]
        partition = TopicPartition(*self._partition)
        offsets = {partition: OffsetAndMetadata(after, "")}
        await producer.send_offsets_to_transaction(offsets, self._group)
        await asyncio.gather(*sent)  # a refused record must show before the commit
        await producer.commit_transaction()

    async def _split(self, run: Sequence[Slot], after: int) -> None:
        """A broker refused some record of the run as too large: halve until it stands alone."""
        await self.stop()
        await self.start()  # aborts the transaction, and the sequence numbers begin anew
        if len(run) > 1:
            middle = len(run) // 2
            await self.publish(run[:middle], run[middle].incoming.offset)
            await self.publish(run[middle:], after)
            return
        if not self._outlet.shrink(run[0]):
            raise MessageSizeTooLargeError
        await self.publish(run, after)


# --- at least once -------------------------------------------------------------------------------


class SharedProducer:
    """The idempotent producer that the partitions of a worker share; acknowledged is what all replicas have.

    A record that the brokers refuse leaves a gap in the numbers of its partition's batches, and without the
    next number they take nothing more: everybody goes on with a new producer then.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._renewing = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()
        self.current: AIOKafkaProducer | None = None
        self.replaced = asyncio.Event()
        """Set when `current` is not that of before."""

    async def start(self) -> None:
        self.current = await self.another()

    async def another(self) -> AIOKafkaProducer:
        """Started, and nobody else's."""
        producer = AIOKafkaProducer(**self._options, enable_idempotence=True, acks="all", linger_ms=5)
        await _started(producer)
        return producer

    async def renew(self, old: AIOKafkaProducer) -> None:
        """Does nothing when `old` was replaced meanwhile."""
        async with self._renewing:
            if self.current is not old:
                return
            await self.start()
            before, self.replaced = self.replaced, asyncio.Event()
            before.set()
            leaving = asyncio.create_task(_stopped(old))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def stop(self) -> None:
        if self.current is not None:
            await _stopped(self.current)


class Acknowledged:
    """At least once: records first, then the offset; after a crash the last run may come twice.

    `commit` is the consumer's own.
    """

    def __init__(
        self,
        partition: Partition,
        producer: SharedProducer,
        commit: Callable[[Partition, int], Awaitable[None]],
        outlet: Outlet,
    ) -> None:
        self._partition = partition
        self._producer = producer
        self._commit = commit
        self._outlet = outlet

    async def start(self) -> None:
        return

    async def publish(self, run: Sequence[Slot], after: int) -> None:
        with _refusals_counted():
            await self._send(run)
            await self._commit(self._partition, after)

    async def stop(self) -> None:
        return

    async def _send(self, run: Sequence[Slot]) -> None:
        """Returns when the brokers have it all. What they refuse as too large is halved until the record
        that is stands alone: batches hold records of other partitions, too.
        """
        while run:
            async with asyncio.timeout(TRANSACTION_LIMIT_S):
                left, refused = await self._try(run)
                if refused and len(run) == 1:
                    await self._send_alone(run[0])
                    return
            if refused:
                middle = len(left) // 2
                await self._send(left[:middle])
                left = left[middle:]
            run = left

    async def _send_alone(self, slot: Slot) -> None:
        """What is refused now is too large itself, and shrinks."""
        while True:
            producer = await self._producer.another()
            try:
                await (await self._outlet.send(producer, slot))
                return
            except MessageSizeTooLargeError:
                if not self._outlet.shrink(slot):
                    raise
            finally:
                await _stopped(producer)

    async def _try(self, run: Sequence[Slot]) -> tuple[Sequence[Slot], bool]:
        """What is not acknowledged, and whether a record was refused as too large."""
        producer, replaced = self._producer.current, self._producer.replaced
        assert producer is not None
        sent = [asyncio.ensure_future(await self._outlet.send(producer, slot)) for slot in run]
        whole = asyncio.gather(*sent)
        over = asyncio.create_task(replaced.wait())
        either: list[asyncio.Future[Any]] = [whole, over]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        whole.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody else asks
        error = whole.exception() if whole.done() else None
        if error is not None and not isinstance(error, MessageSizeTooLargeError):
            raise error
        if error is not None:
            await self._producer.renew(producer)
        return [
            slot for slot, own in zip(run, sent, strict=True) if not _acknowledged(own)
        ], error is not None


def _acknowledged(sent: asyncio.Future[Any]) -> bool:
    return sent.done() and not sent.cancelled() and sent.exception() is None


async def _started(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(START_LIMIT_S):
            await producer.start()
    except BaseException:
        await _stopped(producer)
        raise


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Close its connections, waiting for nobody long: a new producer may follow at once."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(producer.stop(), FAREWELL_S)
