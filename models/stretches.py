"""What a tokenizer made of stretches of text that it was given before: arrays, looked up by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
        ids, starts, ends = np.zeros((3, MOST_PIECES), np.int32)
        self._pieces = Pieces(ids, starts, ends, np.zeros(MOST_PIECES, np.uint8))

    def learn(self, new: Sequence[str], pieces: Pieces, counts: NDArray[np.integer[Any]]) -> bool:
        """`pieces` of all of them, one after another, so many as `counts` says; `starts` and `ends` are those
        in each. False: there is no room."""
        known, begin = len(self.numbers), int(self._bounds[len(self.numbers)])
        end = begin + len(pieces.ids)
        if known + len(new) > MOST or end > MOST_PIECES:
            return False
        kept = self._pieces
        kept.ids[begin:end], kept.written[begin:end] = pieces.ids, pieces.written
        kept.starts[begin:end], kept.ends[begin:end] = pieces.starts, pieces.ends
        numbers = range(known, known + len(new))
        self._lengths[numbers.start : numbers.stop] = [len(stretch) for stretch in new]
        self._bounds[numbers.start + 1 : numbers.stop + 1] = begin + np.cumsum(counts)
        self.numbers.update(zip(new, numbers, strict=True))  # last: from now on others find them
        return True

    def pieces(self, numbers: NDArray[np.int32]) -> Pieces:
        """Of the text that the stretches with these numbers make, one after another."""
        lengths = self._lengths[numbers]
        first = self._bounds[numbers]
        counts = self._bounds[numbers + 1] - first
        which = ranges(first, counts)
        known = self._pieces
        places = np.repeat(np.cumsum(lengths, dtype=np.int32) - lengths, counts)
        starts, ends = known.starts[which] + places, known.ends[which] + places
        return Pieces(known.ids[which], starts, ends, known.written[which])
