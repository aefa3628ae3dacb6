"""What the uncased word pieces do not say: how a word is written, and whether a drug or disease is so called.

One uint8 mask a token, an index into the trunk's table of 128 rows. Bits 0–2: how the token's word is written
(0 not a word, 1 lower, 2 Capitalised, 3 ALL CAPITALS, 4 mIxed, 5 with a digit); bits 3 and 4: begins, is
inside the longest drug name here; bits 5 and 6: the same for disease names. Names match whole words, in any
case; an abbreviation (two to six capitals and digits) only as it is written: CAP, not cap.
"""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import ahocorasick
import numpy as np
from numpy.typing import NDArray

from models.errors import CheckpointError

FEATURES = 128
KINDS = ("drug", "disease")
LOWER, CAPITALISED, CAPITALS, MIXED, DIGIT = 1, 2, 3, 4, 5
ABBREVIATION = re.compile(r"[A-Z][A-Z0-9]{1,5}")

_UPPER, _LOWER, _DIGIT, _OTHER = 1, 2, 4, 8
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def _character_class(character: str) -> int:
    if character.isupper() or character.istitle():
        return _UPPER
    if character.islower():
        return _LOWER
    if character.isdigit():
        return _DIGIT
    return _OTHER if character.isalnum() else 0


_ASCII_CLASS = np.array([_character_class(chr(code)) for code in range(128)], np.uint8)


class FeatureDictionary:
    """Names of drugs and diseases, ready to be found in text. Thread-safe."""

    def __init__(self, names: list[tuple[str, str]]) -> None:
        """`names`: (kind, name) pairs, kind one of `KINDS`; of abbreviations only letter case matters."""
        kinds: dict[str, tuple[int, int]] = {}
        for kind, name in names:
            key, bit = name.translate(_TO_LOWER), 1 << KINDS.index(kind)
            anyhow, capitals = kinds.get(key, (0, 0))
            short = ABBREVIATION.fullmatch(name)
            kinds[key] = (anyhow, capitals | bit) if short else (anyhow | bit, capitals)
        self._automaton = _automaton(kinds) if kinds else None

    @classmethod
    def load(cls, path: Path | None) -> FeatureDictionary:
        """From `dictionary.tsv.gz`: a kind, a tab, a name per line. Without a path: case features only.

        Raises `CheckpointError` if the file cannot be read as that.
        """
        if path is None:
            return cls([])
        try:
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
            return cls([(kind, name) for kind, name in rows])
        except (OSError, ValueError, EOFError, csv.Error):
            raise CheckpointError(f"{path} is no dictionary of names; fetch the checkpoint again") from None

    def masks(self, text: str, starts: NDArray[np.int32], ends: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Feature masks uint8 [n] of the tokens at `starts`, `ends` (code points of `text`). Linear time."""
        if not len(starts):
            return np.zeros(0, np.uint8)
        masks = written(text)[np.minimum(starts, len(text) - 1)]
        self.mark(text, masks, starts, ends)
        return masks

    def mark(
        self, text: str, masks: NDArray[np.uint8], starts: NDArray[np.int32], ends: NDArray[np.int32]
    ) -> None:
        """Set the bits of names in the tokens' `masks`. No name holds a line break."""
        if self._automaton is None:
            return
        for index, spans in enumerate(_names(self._automaton, text)):
            if spans:
                begin, end = np.array(spans, np.int64).T
                which = np.searchsorted(begin, starts, side="right") - 1
                inside = (which >= 0) & (starts < end[which]) & (ends > starts)
                opens = inside & np.append(True, which[1:] != which[:-1])
                opens |= inside & np.append(True, ~inside[:-1])
                masks[opens] |= np.uint8(8 << 2 * index)
                masks[inside & ~opens] |= np.uint8(16 << 2 * index)


def written(text: str) -> NDArray[np.uint8]:
    """How the word at every character is written; words are runs of letters and digits, elsewhere is 0."""
    classes = _classes(text)
    word = classes > 0
    opens = np.flatnonzero(np.append(True, word[1:] != word[:-1]))
    sizes = np.diff(np.append(opens, len(classes)))
    first = classes[opens]
    present = np.bitwise_or.reduceat(classes, opens)
    uppers = np.add.reduceat((classes == _UPPER).astype(np.int32), opens)
    how = np.full(len(opens), MIXED, np.uint8)
    how[uppers == 0] = LOWER
    how[(uppers == 1) & (first == _UPPER)] = CAPITALISED
    how[(uppers == sizes) & (sizes > 1)] = CAPITALS
    how[present & _DIGIT > 0] = DIGIT
    how[present & (_UPPER | _LOWER | _DIGIT) == 0] = 0
    return np.repeat(how, sizes)


def _automaton(kinds: dict[str, tuple[int, int]]) -> Any:
    automaton = ahocorasick.Automaton()
    for key, bits in kinds.items():
        automaton.add_word(key, (len(key), *bits))
    automaton.make_automaton()
    return automaton


def _names(automaton: Any, text: str) -> list[list[tuple[int, int]]]:
    """Per kind: the leftmost longest names on word boundaries, in order, not overlapping."""
    found: list[dict[int, int]] = [{} for _ in KINDS]
    lower = text.lower() if text.isascii() else text.translate(_TO_LOWER)
    for last, (length, bits, capitals) in automaton.iter(lower):
        start, end = last + 1 - length, last + 1
        if capitals and text[start:end].isupper():
            bits |= capitals
        if bits and not (_inside_word(text, start) or _inside_word(text, end)):
            for index, spans in enumerate(found):
                if bits >> index & 1:
                    spans[start] = end  # later matches from one start are longer
    return [_leftmost(spans) for spans in found]


def _inside_word(text: str, place: int) -> bool:
    if not 0 < place < len(text):
        return False
    return _character_class(text[place - 1]) > 0 and _character_class(text[place]) > 0


def _leftmost(spans: dict[int, int]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start in sorted(spans):
        if not kept or start >= kept[-1][1]:
            kept.append((start, spans[start]))
    return kept


def _classes(text: str) -> NDArray[np.uint8]:
    """Class bits of every character; 0: not part of a word."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    classes = _ASCII_CLASS[np.minimum(codes, 127)]
    foreign = codes > 127
    if foreign.any():
        values, where = np.unique(codes[foreign], return_inverse=True)
        classes[foreign] = np.array([_character_class(chr(code)) for code in values], np.uint8)[where]
    return classes
