"""Which names look most like a mention: cosine of character trigrams, weighted by how rare they are.

Method: TF-IDF over character n-grams and an inverted index, as in scispaCy's candidate generator (Neumann
et al. 2019). A trigram counts once a name; weights are inverse document frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BITS = 6
_OTHER, _END = 40, 63
LONGEST = 120
"""Characters of a mention that are looked at."""
AT_ONCE = 1 << 16
"""Names indexed together, to bound what that takes of memory."""


def _classes() -> NDArray[np.uint32]:
    """0–36 for blank, letters and digits, one class for all other marks, one for the end of a name."""
    table = np.full(256, _OTHER, np.uint32)
    for place, sign in enumerate(" abcdefghijklmnopqrstuvwxyz0123456789"):
        table[ord(sign)] = place
    table[ord("\n")] = _END
    return table


_CLASS = _classes()


class Grams:
    """Trigrams of many names. `names`: in the form in which they are compared, without line breaks."""

    def __init__(self, names: Sequence[str]) -> None:
        parts = [_pairs(names[at : at + AT_ONCE]) for at in range(0, len(names), AT_ONCE)]
        frequency = np.zeros(1 << 3 * _BITS, np.int64)
        for grams, _ in parts:
            frequency += np.bincount(grams, minlength=len(frequency))
        self._weights = (1 + np.log((len(names) + 1) / (frequency + 1))).astype(np.float32) ** 2
        self._starts = np.concatenate([[0], np.cumsum(frequency)])
        self._docs = np.empty(self._starts[-1], np.int32)
        self._norms = np.ones(len(names), np.float32)
        free = self._starts[:-1].copy()
        for number, (grams, docs) in enumerate(parts):
            first, many = number * AT_ONCE, np.bincount(grams, minlength=len(free))
            among = np.arange(len(grams)) - np.repeat(np.cumsum(many) - many, many)
            self._docs[free[grams] + among] = docs + first
            free += many
            if len(docs):
                norms = np.sqrt(np.maximum(np.bincount(docs, weights=self._weights[grams]), 1))
                self._norms[first : first + len(norms)] = norms

    def nearest(self, name: str, most: int) -> list[tuple[int, float]]:
        """(index, cosine in (0, 1]) of the `most` names nearest to `name`, best first, ties by index."""
        grams = np.unique(_grams(name[:LONGEST].replace("\n", " ") + "\n")[0])
        weights = self._weights[grams]
        norm = float(np.sqrt(weights.sum()))
        starts, ends = self._starts[grams], self._starts[grams + 1]
        if norm <= 0 or not (ends > starts).any():
            return []
        docs = np.concatenate([self._docs[start:end] for start, end in zip(starts, ends, strict=True)])
        shared = np.bincount(docs, weights=np.repeat(weights, ends - starts), minlength=len(self._norms))
        cosines = shared / (self._norms * norm)
        best = np.argpartition(-cosines, min(most, len(cosines) - 1))[:most] if most < len(cosines) else None
        found = np.arange(len(cosines)) if best is None else best
        ranked = found[np.lexsort((found, -cosines[found]))]
        return [(int(index), min(1.0, float(cosines[index]))) for index in ranked if cosines[index] > 0]


def _grams(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Trigrams of lines, each with a blank around it, and the line of each."""
    signs = np.frombuffer(text.replace("\n", " \n ").encode("ascii", "replace"), np.uint8)
    classes = _CLASS[np.append(np.uint8(32), signs)]
    ends = classes == _END
    lines = np.cumsum(ends)
    grams = classes[:-2] << 2 * _BITS | classes[1:-1] << _BITS | classes[2:]
    whole = ~(ends[:-2] | ends[1:-1] | ends[2:])
    return grams[whole].astype(np.int64), lines[:-2][whole]


def _pairs(names: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Each trigram of each name once: the trigrams, ascending, and whose they are, ascending for each."""
    grams, lines = _grams("\n".join(names) + "\n")
    pairs = grams << 32 | lines
    pairs.sort()
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]
    return (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
