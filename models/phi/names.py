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
_MORE = rf"(?: [^\W\d_]\b\.?)?(?: {_WORD}){{0,3}}"
_PARTICLES = frozenset(
    ("van", "von", "der", "den", "de", "da", "di", "la", "le", "el", "al", "bin", "ten", "dos", "del")
)
_NAME = re.compile(rf"(?:[^\W\d_]\. ?){{0,2}}{_WORD}{_MORE}(?: [A-Z]\b\.?)?")
_FIELD_NAME = re.compile(rf"(?:[^\W\d_]\. ?){{0,2}}{_WORD},?{_MORE}(?: [A-Z]\b\.?)?")
_DEGREES = frozenset(("MD", "RN", "NP", "PA", "PA-C", "CNM", "LCSW", "PhD", "PharmD", "DDS", "DPM", "OD"))
_NO_NAME = frozenset(
    ("the", "a", "an", "and", "or", "of", "he", "she", "it", "they", "this", "that", "patient")
)
_TITLED = re.compile(
    r"[DMP](?<!\w.)(?:(?:r|rs|s|iss|rof|rofessor)\b\.?[ ]{1,2}(?=[^\W\d_])"
    r"|(?:R|RS|S)\.[ ]{1,2}(?=[^\W\d_a-z])|RS?[ ]{1,2}(?=[^\W\d_a-z](?:[^\W\d_a-z]|\.)))"
)
"""In capitals and without a full stop, "MS" is a disease or morphine, and "MR Imaging" no man."""
_FIELD = re.compile(r"[A-Z](?<![^\n\t|;].)[\w /#.-]{1,28}:[ \t]{1,3}(?=[^\W\d_a-z])")
_OF_PEOPLE = re.compile(
    r"\b(?:name|patient|pt|physician|surgeon|provider|pcp|attending|signed by|dictated by|assistant|nok"
    r"|spouse|next of kin|contact|resident|radiologist|anesthesiologist|guardian|re):\s+$",
    re.IGNORECASE,
)
_SIGNED = re.compile(
    r"[SsDdAaRrTt](?<!\w.)(?:igned|IGNED|ictated|ICTATED|uthenticated|eviewed|ranscribed) (?:by|By|BY):?"
    r"[ \t]{1,2}(?=[^\W\d_a-z])"
)


@cache
def common_words() -> frozenset[str]:
    """Words, in small letters, that texts use for other things than names."""
    lines = COMMON.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def find_names(text: str) -> Iterator[Found]:
    """Capitalised words behind a form of address (a part of the name), a field's colon, or "signed by"."""
    for match in _TITLED.finditer(text):
        end = _name_end(text, match.end(), True)
        if end:
            yield Found(Span(match.start(), end), "NAME", 0.6)
    fields = (match for match in _FIELD.finditer(text) if _OF_PEOPLE.search(match[0]))
    for match in (*fields, *_SIGNED.finditer(text)):
        end = _name_end(text, match.end(), False)
        if end:
            yield Found(Span(match.end(), end), "NAME", 0.6)


def _name_end(text: str, start: int, titled: bool) -> int:
    """Where a name that begins at `start` ends; 0 where none begins."""
    match = (_NAME if titled else _FIELD_NAME).match(text, start)
    if match is None:
        return 0
    no_name = _NO_NAME if titled and not match.string[start - 2].isupper() else common_words()
    end, count, whole = start, 0, False
    for word in re.finditer(r"[^\W\d_][\w'’-]*\.?", match[0]):
        plain = word[0].rstrip(".'’").removesuffix("'s").removesuffix("’s")
        if plain in _PARTICLES:
            continue
        initial = len(plain) == 1 and word[0] != plain
        if not plain[0].isupper() or plain in _DEGREES or (plain.lower() in no_name and not initial):
            break
        end = start + word.start() + len(plain) + (word[0].endswith(".") and len(plain) == 1)
        count, whole = count + 1, whole or len(plain) > 1
        no_name = common_words() if len(plain) == 1 else no_name
    return end if whole and count > (0 if titled else 1) else 0
