"""Names that a form of address or a field of a note's head gives away, and words that are none by themselves.

Weak evidence next to a head that has learned names: it counts only where nothing else was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from models.phi.found import Found
from models.types import Span

COMMON = Path(__file__).parent / "common.txt"
TITLE = re.compile(r"(?:Dr|DR|Mrs?|MRS?|Ms|MS|Miss|Prof|Professor)\b\.?[ ]{1,2}")
_WORD = r"[^\W\d_][\w'’-]{1,30}"
_NAME = re.compile(rf"{_WORD}(?: (?:[^\W\d_]\.? )?{_WORD}){{0,2}}(?: [A-Z]\b\.?)?")
_FIELD_NAME = re.compile(rf"{_WORD}(?:,? (?:[^\W\d_]\.? )?{_WORD}){{0,2}}(?: [A-Z]\b\.?)?")
_NO_NAME = frozenset(
    ("the", "a", "an", "and", "or", "of", "he", "she", "it", "they", "this", "that", "patient")
)
_TITLED = re.compile(r"[DMP](?<!\w.)(?:r|R|rs|RS|s|S|iss|rof|rofessor)\b\.?[ ]{1,2}(?=[^\W\d_])")
_FIELD = re.compile(r"[A-Z](?<![^\n\t|;].)[\w /#.-]{1,28}:[ \t]{1,3}(?=[^\W\d_a-z])")
_OF_PEOPLE = re.compile(
    r"\b(?:name|patient|pt|physician|surgeon|provider|pcp|attending|signed by|dictated by|assistant|nok"
    r"|spouse|next of kin|contact|resident|radiologist|anesthesiologist|guardian|re):\s+$",
    re.IGNORECASE,
)


@cache
def common_words() -> frozenset[str]:
    """Words, in small letters, that texts use for other things than names."""
    lines = COMMON.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def find_names(text: str) -> Iterator[Found]:
    """Capitalised words behind a form of address (which is part of the name), or behind a field's colon."""
    for match in _TITLED.finditer(text):
        end = _name_end(text, match.end(), True)
        if end:
            yield Found(Span(match.start(), end), "NAME", 0.6)
    for match in _FIELD.finditer(text):
        end = _name_end(text, match.end(), False) if _OF_PEOPLE.search(match[0]) else 0
        if end:
            yield Found(Span(match.end(), end), "NAME", 0.6)


def _name_end(text: str, start: int, titled: bool) -> int:
    """Where a name that begins at `start` ends; 0 where none begins."""
    match = (_NAME if titled else _FIELD_NAME).match(text, start)
    if match is None:
        return 0
    end = start
    for word in re.finditer(r"[^\W\d_][\w'’-]*\.?", match[0]):
        plain = word[0].rstrip(".'’").removesuffix("'s").removesuffix("’s")
        if not plain[0].isupper() or plain.lower() in (_NO_NAME if titled else common_words()):
            break
        end = start + word.start() + len(plain) + (word[0].endswith(".") and len(plain) == 1)
    count = len(text[start:end].split())
    return end if count > (0 if titled else 1) else 0
