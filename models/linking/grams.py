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
        parts = [_pairs(names[at : at + AT_ONCE], at) for at in range(0, len(names), AT_ONCE)]
        pairs = _once(np.concatenate(parts) if parts else np.zeros(0, np.uint64))
        grams = (pairs >> np.uint64(32)).astype(np.int64)
        self._docs = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)
        self._starts = np.searchsorted(grams, np.arange((1 << 3 * _BITS) + 1))
        frequency = np.diff(self._starts)
        self._weights = (1 + np.log((len(names) + 1) / (frequency + 1))).astype(np.float32) ** 2
        norms = np.bincount(self._docs, weights=self._weights[grams], minlength=len(names))
        self._norms = np.sqrt(np.maximum(norms, 1)).astype(np.float32)

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


def _pairs(names: Sequence[str], first: int) -> NDArray[np.uint64]:
    """Trigram and name of each trigram, as one number."""
    grams, lines = _grams("\n".join(names) + "\n")
    return grams.astype(np.uint64) << np.uint64(32) | (lines + first).astype(np.uint64)


def _once(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sorted, each once. (`numpy.unique` takes eight times as long.)"""
    numbers.sort()
    first: NDArray[np.bool_] = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
    return np.compress(first, numbers)
