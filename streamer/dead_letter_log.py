"""Reading dead letters, single messages, and what else lies on topics.

Committed records only, in no consumer group: whoever looks leaves no trace and disturbs nobody. It reads with
aiokafka, as the service does: header names that are no text stand in nobody's way (`streamer.header_names`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
)
from aiokafka.structs import TopicPartition

from streamer import header_names, reach
from streamer.brokers import client_options
from streamer.dead_letters import Choice, DeadLetter, Place, read
from streamer.errors import SettingError, TopicMissing, WorldError
from streamer.settings import Settings
from streamer.topics import Incoming

REFUSED = (
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
Bounds = dict[TopicPartition, tuple[int, int]]
FETCH_MS, AT_ONCE = 500, 500
LAST = 3
"""So many offsets from a partition's end there is a record, and not only a transaction's end."""
STILL_S = 30.0
"""Nothing that should come has come for so long: the brokers are not there."""

logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # not to standard error: we say what is wrong


@contextlib.asynccontextmanager
async def broker_errors(settings: Settings) -> AsyncIterator[None]:
    """Every error of the client becomes one line of ours."""
    try:
        yield
    except (SaslAuthenticationFailed, UnsupportedSaslMechanismError):
        raise SettingError(reach.USER_REFUSED) from None
    except REFUSED as error:
        raise SettingError(
            f"the brokers do not allow this user to do this ({type(error).__name__}): "
            "docs/dead-letters.md lists what it must be allowed"
        ) from None
    except (KafkaConnectionError, KafkaTimeoutError, TimeoutError, OSError):
        otherwise = (
            f"no Kafka broker answers at {settings.bootstrap}: check STREAMER_BOOTSTRAP and the network"
        )
        raise await reach.why_not(client_options(settings), otherwise) from None
    except KafkaError as error:
        raise WorldError(f"the brokers answered {type(error).__name__}; see their logs") from None


class Log:
    """A consumer of committed records; `async with`. For one task at a time."""

    def __init__(self, settings: Settings) -> None:
        header_names.read_any()
        self._settings = settings
        self._consumer: Any = AIOKafkaConsumer(
            **client_options(settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._cluster: Any = None

    async def __aenter__(self) -> Log:
        try:
            await self._consumer.start()
            # Asking for all of them makes none; the consumer's own `topics()` forgets their partitions.
            self._cluster = await self._consumer._client.fetch_all_metadata()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    def partitions(self, topic: str) -> list[TopicPartition]:
        """Empty: there is no such topic."""
        numbers = self._cluster.partitions_for_topic(topic) or ()
        return [TopicPartition(topic, number) for number in sorted(numbers)]

    async def letters(self, choice: Choice) -> AsyncGenerator[DeadLetter | None]:
        """The chosen dead letters that are there now, each partition's in order; None for each record that is
        no dead letter of this service. Raises TopicMissing."""
        topic = self._settings.dead_letter_topic
        partitions = self.partitions(topic)
        if not partitions:
            raise TopicMissing([topic])
        async for record in self._between(await self._bounds(partitions, choice)):
            letter = read(record)
            if letter is None or choice.has(letter):
                yield letter

    async def everything(self, topic: str) -> AsyncGenerator[Incoming]:
        """What the topic holds now; nothing when it does not exist."""
        async for record in self._between(await self._whole(self.partitions(topic))):
            yield record

    async def until(self, topic: str, key: bytes, value: bytes) -> AsyncGenerator[Incoming]:
        """What the topic of one partition holds before the record of this key and value, which must come."""
        partitions = self.partitions(topic)
        if not partitions:
            raise UnknownTopicOrPartitionError
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)
        while True:
            for record in await self._fetched():
                if (record.key, record.value) == (key, value):
                    return
                yield record

    async def newest(self, topic: str) -> int | None:
        """When the newest of each partition's last records was written, milliseconds since 1970; None: there
        are none."""
        whole = await self._whole(self.partitions(topic))
        last = {own: (max(first, after - LAST), after) for own, (first, after) in whole.items()}
        return max([record.timestamp async for record in self._between(last)], default=None)

    async def at(self, place: Place) -> Incoming | None:
        """The message that lies there; None when it does no more."""
        partition = TopicPartition(place.topic, place.partition)
        if not await self.holds(place):
            return None
        self._consumer.assign([partition])
        self._consumer.seek(partition, place.offset)
        while True:
            for record in await self._fetched():
                return record if record.offset == place.offset else None
            if await self._consumer.position(partition) > place.offset:
                return None

    async def holds(self, place: Place) -> bool:
        """Whether its topic reaches back that far, and up to there."""
        partition = TopicPartition(place.topic, place.partition)
        if partition not in self.partitions(place.topic):
            return False
        first, after = (await self._whole([partition]))[partition]
        return first <= place.offset < after

    async def _bounds(self, partitions: list[TopicPartition], choice: Choice) -> Bounds:
        """First offset and the one after the last, of the partitions that can hold chosen dead letters."""
        bounds = await self._whole(partitions)
        if choice.since is not None and bounds:
            found = await self._consumer.offsets_for_times(dict.fromkeys(bounds, choice.since))
            # Without an answer nothing in the partition is as late as that.
            late = {partition: own.offset for partition, own in found.items() if own is not None}
            bounds = {own: (late[own], after) for own, (_, after) in bounds.items() if own in late}
        if choice.places:
            named: dict[TopicPartition, list[int]] = {}
            for place in choice.places:
                named.setdefault(TopicPartition(place.topic, place.partition), []).append(place.offset)
            bounds = {
                own: (max(first, min(named[own])), min(after, max(named[own]) + 1))
                for own, (first, after) in bounds.items()
                if own in named
            }
        return bounds

    async def _whole(self, partitions: list[TopicPartition]) -> Bounds:
        if not partitions:
            return {}
        first = await self._consumer.beginning_offsets(partitions)
        after = await self._consumer.end_offsets(partitions)
        return {partition: (first[partition], after[partition]) for partition in partitions}

    async def _between(self, bounds: Bounds) -> AsyncGenerator[Incoming]:
        left = {partition for partition, (first, after) in bounds.items() if first < after}
        if not left:
            return
        self._consumer.assign(list(left))
        for partition in left:
            self._consumer.seek(partition, bounds[partition][0])
        while left:
            for record in await self._fetched():
                if record.offset < bounds[TopicPartition(record.topic, record.partition)][1]:
                    yield record
            for partition in list(left):
                if await self._consumer.position(partition) >= bounds[partition][1]:
                    left.discard(partition)
                    self._consumer.pause(partition)

    async def _fetched(self) -> list[Incoming]:
        """What comes next; nothing where only a transaction's end, or what was aborted, came."""
        before = await self._positions()
        loop = asyncio.get_running_loop()
        until = loop.time() + STILL_S
        while True:
            fetched = await self._consumer.getmany(timeout_ms=FETCH_MS, max_records=AT_ONCE)
            if fetched or await self._positions() != before:
                return [_incoming(record) for records in fetched.values() for record in records]
            if loop.time() > until:
                raise TimeoutError

    async def _positions(self) -> list[int]:
        return [await self._consumer.position(partition) for partition in self._consumer.assignment()]


def _incoming(record: Any) -> Incoming:
    timestamp = -1 if record.timestamp is None else record.timestamp
    headers = tuple(record.headers)
    return Incoming(
        record.topic, record.partition, record.offset, timestamp, record.key, record.value, headers
    )
