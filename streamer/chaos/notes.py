"""Short synthetic notes with planted canaries, the same for the same seed; and what must come of each."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from streamer.chaos import canaries
from streamer.chaos.reader import place
from streamer.topics import Headers

ID = re.compile(rb"chaos-[0-9a-z]+-[0-9]{6}")
PATIENTS = 37
SENTENCES = (
    "No chest pain.",
    "Takes aspirin 81 mg daily.",
    "Denies fever, chills and cough.",
    "History of hypertension and type 2 diabetes.",
    "Possible pneumonia in the left lower lobe.",
    "Mother had breast cancer.",
    "Lisinopril was increased to 20 mg.",
    "MRI of the lumbar spine shows no fracture.",
)


@dataclass(frozen=True)
class Load:
    """One message. `text`: what it says, None where that is not compared; `reason`: why it must become a dead
    letter, None: it must not."""

    id: str
    key: bytes
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False, default=())
    text: str | None = field(repr=False, default=None)
    reason: str | None = None


def texts(count: int, seed: int) -> list[str]:
    """That many different texts; one in five names a patient."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        sentences = [*chance.sample(SENTENCES, chance.choice((2, 3))), f"Given {number} units of heparin."]
        if number % 5 == 0:
            sentences.append(
                f"{canaries.NAME}, {canaries.RECORD_NUMBER}, born {canaries.BIRTHDAY}, denies pain."
            )
        made.append(" ".join(sentences))
    return made


def loads(row: str, count: int, pool: Sequence[str], seed: int, first: int = 0) -> list[Load]:
    """Notes `first`… of a row, of the texts of `pool` in an order of the seed's, over and over."""
    chance = random.Random(f"{seed} {row}")
    order = chance.sample(range(len(pool)), len(pool))
    return [load(row, number, pool[order[number % len(pool)]]) for number in range(first, first + count)]


def load(row: str, number: int, text: str) -> Load:
    note = name(row, number)
    value = json.dumps({"id": note, "text": text}).encode()
    return Load(note, key(row, number), value, (("x-source", canaries.HEADER.encode()),), text)


def name(row: str, number: int) -> str:
    return f"chaos-{row}-{number:06d}"


def key(row: str, number: int) -> bytes:
    return f"{canaries.KEY}-{row}-{number % PATIENTS}".encode()


def name_of(record: Any) -> str:
    """The id of a record's note; of a dead letter, where its note lay."""
    lay = place(record)
    if lay is not None:
        return lay
    # Not the whole of a large record; and of a tombstone, the key.
    found = ID.search((record.value or b"")[:4096]) or ID.search(record.key or b"")
    return found.group().decode() if found else f"unknown {record.topic}/{record.partition}/{record.offset}"
