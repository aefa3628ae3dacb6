"""How one record goes to a producer: what is too large for its topic shrinks, as far as it can."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from streamer import topics
from streamer.errors import NoteError
from streamer.release import Slot
from streamer.topics import Outgoing

DEAD_LETTER_HEADERS = ("__connect.errors.", "streamer-")


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
        sent = await queued(producer, out)
        if out.beside is None:
            return sent
        return asyncio.gather(sent, await queued(producer, out.beside))

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


async def queued(producer: AIOKafkaProducer, out: Outgoing) -> Awaitable[Any]:
    """Queue one record. The awaitable ends when the brokers have it, or raises."""
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
