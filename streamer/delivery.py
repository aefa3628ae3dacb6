"""How finished notes reach the brokers: exactly once, or at least once.

Exactly once: outputs, dead letters and the input offset after the last of them go into one Kafka transaction,
so a read_committed reader sees each note's answer once. The `transactional_id` is the same for every owner a
partition ever has: starting a producer under it ends whatever its predecessor left open (fencing, KIP-98).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
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

from streamer import metrics, topics
from streamer.errors import NoteError
from streamer.release import Partition, Slot
from streamer.topics import Outgoing

TRANSACTION_LIMIT_S = 15.0
TRANSACTION_TIMEOUT_MS = 20_000
"""When the brokers abort a transaction whose producer is gone and has no successor."""
FAREWELL_S = 2.0
DEAD_LETTER_HEADERS = ("__connect.errors.", "streamer-")
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


class Outlet:
    """Sends records through a producer; what is over its topic's limit shrinks to a dead letter instead."""

    def __init__(self, limits: Mapping[str, int], dead_letter_topic: str) -> None:
        self._limits = limits
        self._dead_letter_topic = dead_letter_topic

    async def send(self, producer: AIOKafkaProducer, slot: Slot) -> Awaitable[Any]:
        """Queue the note's record and what goes beside it.

        The awaitable ends when the brokers have it all, or raises."""
        while self._too_large(slot) and self.shrink(slot):
            pass
        out = slot.outgoing
        assert out is not None
        sent = await _queued(producer, out)
        if out.beside is None:
            return sent
        return asyncio.gather(sent, await _queued(producer, out.beside))

    def shrink(self, slot: Slot) -> bool:
        """The next smaller answer: a dead letter, then one that only names its message; False: none left."""
        out = slot.outgoing
        assert out is not None
        if out.topic != self._dead_letter_topic:
            error = NoteError("output-too-large", stage="release")
            slot.outgoing = topics.dead_letter(slot.incoming, self._dead_letter_topic, error)
            return True
        if out.value is None:
            return False
        ours = tuple(header for header in out.headers if header[0].startswith(DEAD_LETTER_HEADERS))
        slot.outgoing = dataclasses.replace(out, key=None, value=None, headers=ours)
        return True

    def _too_large(self, slot: Slot) -> bool:
        out = slot.outgoing
        assert out is not None
        both = (out, out.beside) if out.beside is not None else (out,)
        return any(record_bytes(own) > self._limits[own.topic] for own in both)


async def _queued(producer: AIOKafkaProducer, out: Outgoing) -> Awaitable[Any]:
    # A record with neither key nor value means nothing to Kafka: aiokafka refuses it.
    value = b"" if out.value is None and out.key is None else out.value
    sent: Awaitable[Any] = await producer.send(
        out.topic, value, out.key, partition=out.partition, headers=list(out.headers)
    )
    return sent


def record_bytes(out: Outgoing) -> int:
    """An upper bound of what the record takes on the wire: its parts and the longest length fields."""
    headers = sum(len(k.encode()) + len(v or b"") + 10 for k, v in out.headers)
    return len(out.key or b"") + len(out.value or b"") + headers + 40


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

    async def publish(self, run: Sequence[Slot]) -> None:
        try:
            with _refusals_counted():
                async with asyncio.timeout(TRANSACTION_LIMIT_S):
                    await self._commit(run)
        except MessageSizeTooLargeError:
            await self._split(run)

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stopped(producer)

    async def _commit(self, run: Sequence[Slot]) -> None:
        producer = self._producer
        assert producer is not None
        await producer.begin_transaction()
        sent = [await self._outlet.send(producer, slot) for slot in run]
        partition = TopicPartition(*self._partition)
        after = OffsetAndMetadata(run[-1].incoming.offset + 1, "")
        await producer.send_offsets_to_transaction({partition: after}, self._group)
        await asyncio.gather(*sent)  # a refused record must show before the commit
        await producer.commit_transaction()

    async def _split(self, run: Sequence[Slot]) -> None:
        """A broker refused some record of the run as too large: halve until it stands alone."""
        await self.stop()
        await self.start()  # aborts the transaction, and the sequence numbers begin anew
        if len(run) > 1:
            middle = len(run) // 2
            await self.publish(run[:middle])
            await self.publish(run[middle:])
            return
        if not self._outlet.shrink(run[0]):
            raise MessageSizeTooLargeError
        await self.publish(run)


# --- at least once -------------------------------------------------------------------------------


class Acknowledged:
    """At least once: records first, then the offset; after a crash the last run may come twice.

    The producer is shared by the partitions of a worker; `commit` is the consumer's own.
    """

    def __init__(
        self,
        partition: Partition,
        producer: AIOKafkaProducer,
        commit: Callable[[Partition, int], Awaitable[None]],
        outlet: Outlet,
    ) -> None:
        self._partition = partition
        self._producer = producer
        self._commit = commit
        self._outlet = outlet

    async def start(self) -> None:
        return

    async def publish(self, run: Sequence[Slot]) -> None:
        with _refusals_counted():
            async with asyncio.timeout(TRANSACTION_LIMIT_S):
                await self._send(run)
                await self._commit(self._partition, run[-1].incoming.offset + 1)

    async def stop(self) -> None:
        return

    async def _send(self, run: Sequence[Slot]) -> None:
        sent = [(slot, await self._outlet.send(self._producer, slot)) for slot in run]
        for slot, acknowledged in sent:
            while True:
                try:
                    await acknowledged
                    break
                except MessageSizeTooLargeError:
                    if not self._outlet.shrink(slot):
                        raise
                    acknowledged = await self._outlet.send(self._producer, slot)


async def idempotent_producer(options: Mapping[str, Any]) -> AIOKafkaProducer:
    """The producer that `Acknowledged` publishers share; started."""
    producer = AIOKafkaProducer(**options, enable_idempotence=True, linger_ms=5)
    await _started(producer)
    return producer


async def _started(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(TRANSACTION_LIMIT_S):
            await producer.start()
    except BaseException:
        await _stopped(producer)
        raise


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Close its connections, waiting for nobody long: a new producer may follow at once."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(producer.stop(), FAREWELL_S)
