"""What a tokenizer made of stretches of text that it was given before: arrays, looked up by number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ranges import ranges

MOST, MOST_PIECES = 1 << 17, 1 << 19
"""Stretches that are remembered, and all their word pieces: 8 MB of arrays."""


class Pieces(NamedTuple):
    """Word pieces of a text, [n] each; `starts`, `ends` in its code points.

    `written`: how the word of each is written, as in `models.features`.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    written: NDArray[np.uint8]


class Stretches:
    """Each has a number, in `numbers`. Several threads may look up while one of them learns."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._lengths = np.zeros(MOST, np.int32)
        self._bounds = np.zeros(MOST + 1, np.int32)
        kinds = (np.int32, np.int32, np.int32, np.uint8)
        self._pieces = Pieces(*(np.zeros(MOST_PIECES, kind) for kind in kinds))

    def learn(self, stretch: str, pieces: Pieces) -> bool:
        """False: there is no room."""
        number = len(self.numbers)
        begin = self._bounds[number]
        end = begin + len(pieces.ids)
        if number == MOST or end > MOST_PIECES:
            return False
        for known, new in zip(self._pieces, pieces, strict=True):
            known[begin:end] = new
        self._lengths[number] = len(stretch)
        self._bounds[number + 1] = end
        self.numbers.setdefault(stretch, number)  # last: from now on others find it
        return True

    def pieces(self, numbers: NDArray[np.int32]) -> Pieces:
        """Of the text that the stretches with these numbers make, one after another."""
        lengths = self._lengths[numbers]
        first = self._bounds[numbers]
        counts = self._bounds[numbers + 1] - first
        which = ranges(first, counts)
        ids, starts, ends, written = (known[which] for known in self._pieces)
        places = np.repeat(np.cumsum(lengths, dtype=np.int32) - lengths, counts)
        return Pieces(ids, starts + places, ends + places, written)
