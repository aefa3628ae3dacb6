"""Short notes for tests of the whole service, and what must come of them."""

from __future__ import annotations

import json
import random

from streamer.chaos.notes import SENTENCES
from streamer.chaos.places import Message
from streamer.chaos.reader import Seen


def short_notes(count: int, seed: int = 0, new_every: int = 10) -> list[Message]:
    """Notes `n0`… of one or two sentences from a small set; every so many one that was never read before.

    One in a thousand can never succeed.
    """
    chance = random.Random(seed)
    notes: list[Message] = []
    for number in range(count):
        text = " ".join(chance.sample(SENTENCES, chance.choice((1, 2))))
        if number % new_every == 0:
            text += f" Given {number + seed * 1_000_000} units of heparin."
        value = json.dumps({"id": f"n{number}", "text": text}).encode()
        notes.append((b"patient-%d" % (number % 97), value[:-1] if number % 1000 == 999 else value))
    return notes


def assert_each_once_in_order(seen: Seen, count: int) -> None:
    """Every note is there once, dead letters for the broken ones, and each key's notes in their order."""
    broken = {f"n{number}" for number in range(999, count, 1000)}
    assert seen.twice == []
    assert set(seen.reasons.values()) <= {"json-invalid"}
    assert len(seen.reasons) == len(broken)
    expected = {f"n{number}" for number in range(count)} - broken
    assert set(seen.records) - set(seen.reasons) == expected
    for notes in seen.order.values():
        numbers = [int(note[1:]) for note in notes if note.startswith("n")]
        assert numbers == sorted(numbers)
