"""Looking through dead letters, beside the ledger of what was sent back. Reads only."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from streamer.dead_letter_ledger import key_of, sent_back
from streamer.dead_letter_log import Log, broker_errors
from streamer.dead_letter_view import Listed, listed, shown
from streamer.dead_letters import Choice, DeadLetter, Place
from streamer.errors import SettingError
from streamer.settings import Settings


async def found(settings: Settings, choice: Choice) -> tuple[list[Listed], int]:
    """The chosen dead letters, and how many records of their topic are none of this service."""
    letters, foreign = [], 0
    async with broker_errors(settings), Log(settings) as log:
        known = await sent_back(log, settings)
        async for letter in log.letters(choice):
            if letter is None:
                foreign += 1
            else:
                letters.append(listed(letter, key_of(letter) in known))
    return letters, foreign


async def one(settings: Settings, place: Place) -> tuple[DeadLetter, dict[str, Any], bytes | None]:
    """The dead letter at this place, or the last of the note at this place; what is known of it; its note.

    Raises SettingError when there is none.
    """
    async with broker_errors(settings), Log(settings) as log:
        letter = await _one(log, settings, place)
        known = await sent_back(log, settings)
        value, there = letter.value, True
        if letter.by_reference:
            original = await log.at(letter.origin)
            value, there = (None, False) if original is None else (original.value, True)
        return letter, shown(letter, key_of(letter) in known, there), value


async def _one(log: Log, settings: Settings, place: Place) -> DeadLetter:
    here = place.topic == settings.dead_letter_topic
    choice = Choice(places=frozenset({place})) if here else Choice()
    last = None
    async with aclosing(log.letters(choice)) as letters:
        async for letter in letters:
            if letter is not None and place in (letter.place, letter.origin):
                last = letter
    if last is None:
        raise SettingError(
            f"no dead letter of this service at {place}, nor of a note there: see streamer dlq ls"
        )
    return last
