"""The bundled notes: real transcribed notes, free to redistribute (README.md names the source).

Some patients have several notes, and about one note in seven is an earlier one carried forward with an
addendum or one edited sentence, as in real charts.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).with_name("notes.jsonl.gz")
COUNT = 400


def values() -> Iterator[bytes]:
    """The notes as message values (our JSON, UTF-8), in the order in which they were written."""
    yield from gzip.decompress(FILE.read_bytes()).splitlines()


def load() -> list[dict[str, Any]]:
    """The notes as dictionaries of our JSON's fields; each caller gets its own."""
    return [msgspec.json.decode(value, type=dict[str, Any]) for value in values()]


def text_of(note_id: str) -> str | None:
    """The text of a bundled note; None for an id that is not one of them."""
    return _texts().get(note_id)


@cache
def _texts() -> dict[str, str]:
    return {note["id"]: note["text"] for note in load()}
