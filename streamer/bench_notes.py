"""Notes for the stream's benchmark: of given lengths, without end, each with a text of its own."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[a-z]{3,}")
REPLACED_ONE_IN = 5
"""Words between two that are replaced by another of the samples' words, on average."""


@dataclass(frozen=True)
class BenchNote:
    """A note and its message; `id` is the message's key too."""

    id: str
    text: str = field(repr=False)

    @property
    def value(self) -> bytes:
        return msgspec.json.encode({"id": self.id, "text": self.text})


class _Tokens(Protocol):
    @property
    def starts(self) -> NDArray[np.int32]: ...
    @property
    def ends(self) -> NDArray[np.int32]: ...


class Tokenises(Protocol):
    """`models.reader.Reader`."""

    def tokenise(self, texts: Sequence[str]) -> Sequence[_Tokens]: ...


class Notes:
    """Stretches of `texts`, joined and walked through again and again, some words replaced each time.

    So hardly a passage but a heading comes twice, and all words, sentences and headings are those of real
    notes. The same seed gives the same notes.
    """

    def __init__(self, texts: Sequence[str], reader: Tokenises, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._source = "\n\n".join(self._random.sample(texts, len(texts)))
        (tokens,) = reader.tokenise([self._source])
        self._starts, self._ends = tokens.starts, tokens.ends
        self._words = WORD.findall(self._source)
        self._at = 0
        self._made = 0

    def take(self, count: int, lengths: Sequence[int]) -> list[BenchNote]:
        """`count` notes of about `lengths` tokens, one after another and over again."""
        return list(islice(self._notes(lengths), count))

    def _notes(self, lengths: Sequence[int]) -> Iterator[BenchNote]:
        for length in cycle(lengths):
            self._made += 1
            yield BenchNote(f"bench-{self._made}", self._changed(self._stretch(length)))

    def _stretch(self, tokens: int) -> str:
        """The next stretch of so many tokens, from one word's start to another's end."""
        parts: list[str] = []
        while tokens > 0:
            stop = min(self._at + tokens, len(self._starts))
            start = int(self._starts[self._at])
            while start and not self._source[start - 1].isspace():
                start -= 1
            parts.append(self._source[start : int(self._ends[stop - 1])])
            tokens -= stop - self._at
            self._at = stop
            if stop == len(self._starts):
                self._at = self._random.randrange(len(self._starts) // 2)
        return "\n\n".join(parts)

    def _changed(self, text: str) -> str:
        def other(word: re.Match[str]) -> str:
            replaced = self._random.randrange(REPLACED_ONE_IN) == 0
            return self._random.choice(self._words) if replaced else word.group()

        return WORD.sub(other, text)
