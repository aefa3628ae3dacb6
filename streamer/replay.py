"""Notes of dead letters sent back to their topics, each once, whoever asks for it and however often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence, Set
from contextlib import aclosing
from dataclasses import replace

from streamer.dead_letter_ledger import key_of, make_ledger, sent_back
from streamer.dead_letter_log import Log, broker_errors
from streamer.dead_letters import Choice, DeadLetter, returned
from streamer.returns import Outcome, Return, Sender
from streamer.settings import Settings
from streamer.topics import Outgoing

BATCH_NOTES, BATCH_BYTES = 500, 8_000_000
"""At most so much in one transaction, give or take a note."""


def run(
    settings: Settings,
    choice: Choice,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda sent: None,
) -> Outcome:
    """Send back the notes of the chosen dead letters that are there now, in the order of each partition.

    At most `limit`; a `dry_run` changes nothing. `progress` hears how many were sent so far. Raises
    SettingError or WorldError; what was sent until then is in the ledger, and another run goes on from there.
    """
    if dry_run:
        return asyncio.run(_rehearse(settings, choice, limit))
    make_ledger(settings)
    return asyncio.run(_replay(settings, choice, limit, progress))


async def _replay(
    settings: Settings, choice: Choice, limit: int | None, progress: Callable[[int], None]
) -> Outcome:
    """As `run`, with a ledger that is there."""
    outcome, batch, left = Outcome(), list[Return](), limit
    async with (
        broker_errors(settings),
        Log(settings) as log,
        Log(settings) as originals,
        Sender(settings, outcome) as sender,
    ):
        async with aclosing(_pending(log, choice, sender.known, outcome)) as pending:
            async for letter in pending:
                note = await _note(letter, originals)
                if note is None:
                    outcome.gone.append(letter.names)
                    continue
                batch.append(Return(letter, note))
                left = None if left is None else left - 1
                if left == 0:
                    break
                if len(batch) == BATCH_NOTES or _bytes(batch) >= BATCH_BYTES:
                    await sender.send(batch)
                    batch.clear()
                    progress(outcome.sent.total())
        await sender.send(batch)
    return outcome


async def _rehearse(settings: Settings, choice: Choice, limit: int | None) -> Outcome:
    """What `run` would do."""
    outcome = Outcome()
    async with broker_errors(settings), Log(settings) as log, Log(settings) as originals:
        known = await sent_back(originals, settings)
        async with aclosing(_pending(log, choice, known, outcome)) as pending:
            async for letter in pending:
                there = bool(originals.partitions(letter.origin.topic))
                if not there or (letter.by_reference and not await originals.holds(letter.origin)):
                    outcome.gone.append(letter.names)
                    continue
                outcome.sent[letter.reason] += 1
                if outcome.sent.total() == limit:
                    break
    return outcome


async def _pending(
    log: Log, choice: Choice, known: Set[bytes], outcome: Outcome
) -> AsyncGenerator[DeadLetter]:
    """The chosen dead letters whose notes were not sent back; a note's second one is passed over."""
    taken: set[bytes] = set()
    async with aclosing(log.letters(choice)) as letters:
        async for letter in letters:
            if letter is None:
                outcome.foreign += 1
            elif (key := key_of(letter)) in known or key in taken:
                outcome.already += 1
            else:
                yield letter
                taken.add(key)


async def _note(letter: DeadLetter, originals: Log) -> Outgoing | None:
    """None: it is nowhere any more, or its topic is gone."""
    original = await originals.at(letter.origin) if letter.by_reference else None
    partitions = [own.partition for own in originals.partitions(letter.origin.topic)]
    if not partitions or (letter.by_reference and original is None):
        return None
    note = returned(letter, original)
    # In a topic made anew with fewer partitions its key says where it belongs.
    return note if note.partition in partitions else replace(note, partition=None)


def _bytes(batch: Sequence[Return]) -> int:
    return sum(len(own.note.value or b"") for own in batch)
