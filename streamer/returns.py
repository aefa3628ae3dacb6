"""The way back of notes: one transaction after another, each with the ledger's entries for its notes.

A note and its entry are written together, so there is never one without the other. All senders use the same
`transactional_id`: to start is to fence every sender before (KIP-98), and only then is the ledger read, up to
a mark of one's own. So nobody can add to it what is not seen, and of two operators one goes on. A consumer
group's offsets would not do: who chooses by reason or time leaves gaps, and comes back for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Awaitable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced

from streamer.backoff import Backoff
from streamer.brokers import BATCH_OVERHEAD, client_options
from streamer.dead_letter_ledger import key_of, ledger_topic, run_of, value_of
from streamer.dead_letter_log import REFUSED, Log
from streamer.dead_letters import DeadLetter, Names
from streamer.errors import WorldError
from streamer.outlet import queued
from streamer.settings import Settings
from streamer.topics import Outgoing

TRANSACTION_LIMIT_S, START_LIMIT_S, FAREWELL_S = 15.0, 30.0, 2.0
TRANSACTION_TIMEOUT_MS = 20_000
"""When the brokers abort what a killed run left open: so long can it keep the workers waiting."""
TRIES, FIRST_PAUSE_S, LONGEST_PAUSE_S = 8, 0.2, 5.0
MARK = b"begun"
"""Key of the ledger's one entry that is no note: the last run that began."""


class Return(NamedTuple):
    """A dead letter, and its note as it goes back."""

    letter: DeadLetter
    note: Outgoing

    @property
    def key(self) -> bytes:
        """In the ledger."""
        return key_of(self.letter)


@dataclass
class Outcome:
    """What became of the chosen dead letters."""

    sent: Counter[str] = field(default_factory=Counter)
    """Notes that went back, by reason."""
    already: int = 0
    """Their notes were sent back before."""
    gone: list[Names] = field(default_factory=list)
    """Only references, to what their topic does not hold any more; or their topic is no more."""
    refused: list[Names] = field(default_factory=list)
    """Larger than their topic accepts now."""
    foreign: int = 0
    """Records that are no dead letters of this service."""
    retries: int = 0


class Sender:
    """Sends notes back and enters them in the ledger; `async with` fences every sender before it.

    `outcome` hears what becomes of each.
    """

    def __init__(self, settings: Settings, outcome: Outcome) -> None:
        self._settings = settings
        self._outcome = outcome
        self._ledger = ledger_topic(settings)
        self._run = uuid.uuid4().hex
        self._producer: AIOKafkaProducer | None = None
        self.known: set[bytes] = set()
        """Keys of the ledger."""
        self._ours: set[bytes] = set()

    async def __aenter__(self) -> Sender:
        try:
            await self.send([])
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def send(self, batch: Sequence[Return]) -> None:
        """Tries again, with growing pauses, what the brokers do not take; after so many tries it raises.

        Whether an attempt without an answer came through is read from the ledger before the next. Raises
        WorldError at once when another run has taken over.
        """
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        refused: set[bytes] = set()
        for tries_left in reversed(range(TRIES)):
            try:
                await self._send(batch, refused)
                break
            except ProducerFenced:
                raise WorldError(
                    f"another replay of {self._settings.dead_letter_topic} began and goes on instead of this "
                    f"one, which sent back {self._outcome.sent.total()} notes; none goes twice. Run it again "
                    "when the other has ended"
                ) from None
            except REFUSED:
                raise
            except (KafkaError, TimeoutError, OSError):
                await self._stop()
                if not tries_left:
                    raise
                self._outcome.retries += 1
                await asyncio.sleep(backoff.pause())
        self._enter(batch, refused)

    async def _stop(self) -> None:
        """An open transaction is aborted by the next start, or by the brokers in time."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), FAREWELL_S)

    async def _send(self, batch: Sequence[Return], refused: set[bytes]) -> None:
        """Returns when each is in the ledger, or among the `refused`, which it adds to."""
        while True:
            producer = self._producer or await self._begin()
            left = [own for own in batch if own.key not in self.known and own.key not in refused]
            if not left:
                return
            too_large = await self._transact(producer, left)
            if not too_large:
                return
            refused |= too_large
            await self._stop()

    async def _begin(self) -> AIOKafkaProducer:
        """A producer that has fenced all others, and the ledger as it will stay unless we write to it."""
        self._producer = producer = AIOKafkaProducer(
            **client_options(self._settings),
            # The same for every group and user: it is the topic's dead letters that are sent back once.
            transactional_id=f"{self._settings.dead_letter_topic}-replay",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            retry_backoff_ms=20,  # as in streamer.delivery
            max_request_size=self._settings.max_record_bytes + BATCH_OVERHEAD,
            request_timeout_ms=30_000,
        )
        async with asyncio.timeout(START_LIMIT_S):
            await producer.start()
        mark = uuid.uuid4().hex.encode()
        async with asyncio.timeout(TRANSACTION_LIMIT_S), producer.transaction():
            await producer.send_and_wait(self._ledger, mark, MARK)
        async with Log(self._settings) as log:
            async for record in log.until(self._ledger, MARK, mark):
                self.known.add(record.key or b"")
                if run_of(record.value) == self._run:
                    self._ours.add(record.key or b"")
        return producer

    async def _transact(self, producer: AIOKafkaProducer, batch: Sequence[Return]) -> set[bytes]:
        """All of it in one transaction; gives the keys of those that are too large: then nothing was sent."""
        sending: list[tuple[bytes, Awaitable[Any]]] = []
        too_large: set[bytes] = set()
        async with asyncio.timeout(TRANSACTION_LIMIT_S):
            await producer.begin_transaction()
            for own in batch:
                try:
                    sending.append((own.key, await queued(producer, own.note)))
                except MessageSizeTooLargeError:  # said by the client itself
                    too_large.add(own.key)
                value = value_of(own.letter, self._run)
                sending.append((own.key, await producer.send(self._ledger, value, own.key)))
            answers = await asyncio.gather(*[sent for _, sent in sending], return_exceptions=True)
            errors = [(key, own) for (key, _), own in zip(sending, answers, strict=True) if _failed(own)]
            too_large |= {key for key, error in errors if isinstance(error, MessageSizeTooLargeError)}
            if too_large:
                return too_large
            for _, error in errors:
                raise error
            await producer.commit_transaction()
        self.known.update(own.key for own in batch)
        self._ours.update(own.key for own in batch)
        return set()

    def _enter(self, batch: Sequence[Return], refused: Set[bytes]) -> None:
        for own in batch:
            if own.key in refused:
                self._outcome.refused.append(own.letter.names)
            elif own.key in self._ours:
                self._outcome.sent[own.letter.reason] += 1
            else:  # by somebody who began and ended while we were away
                self._outcome.already += 1


def _failed(answer: Any) -> bool:
    return isinstance(answer, BaseException)
