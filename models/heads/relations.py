"""Relations between the spans of a window: each pair that may be related is scored on the device.

What two spans say of each other is read from the means of their tokens, the mean of the tokens between them,
how far apart they lie, and what they are. Only near pairs of kinds that some relation joins are
looked at, so that the cost grows with the number of spans, not with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.heads import Bool, Float, Int, Settings
from models.heads.rows import chosen, put, sums

Pairs = NDArray[np.int64]
BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Tokens between two spans: bounds of the steps in which a distance is told."""


class Relations(nn.Module):
    """`joins` bool [relations, kinds, kinds]: from which kinds of spans to which each relation leads.

    `reach`: tokens that lie between two spans at most; `nearest`: spans on either side that a span is paired
    with at most. `thresholds` [relations]: from which probability on a relation is reported.
    """

    reads: Literal["relations"] = "relations"

    def __init__(
        self,
        width: int,
        hidden: int,
        categories: Sequence[str],
        kinds: Sequence[str],
        joins: Bool,
        reach: int = 100,
        nearest: int = 8,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.categories, self.kinds = tuple(categories), tuple(kinds)
        self.joins, self.reach, self.nearest = joins, reach, nearest
        self.thresholds = np.array(thresholds or [0.5] * len(categories), np.float32)
        self.ends = nn.Linear(width, 2 * hidden)
        self.between = nn.Linear(width, hidden)
        self.apart = nn.Embedding(2 * (len(BUCKETS) + 2), hidden)
        self.types = nn.Embedding(len(kinds) ** 2, hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.scores = nn.Linear(hidden, len(categories))

    @classmethod
    def build(cls, width: int, settings: Settings) -> Relations:
        kinds = list(settings["kinds"])
        joins = np.zeros((len(settings["relations"]), len(kinds), len(kinds)), np.bool_)
        for number, (_, sources, targets) in enumerate(settings["relations"]):
            rows, columns = ([kinds.index(kind) for kind in ends] for ends in (sources, targets))
            joins[number][np.ix_(rows, columns)] = True
        names = [name for name, *_ in settings["relations"]]
        limits = settings["reach"], settings["nearest"], settings["thresholds"]
        return cls(width, settings["hidden"], names, kinds, joins, *limits)

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [tokens, width], as it is: only means of it are projected, which are far fewer."""
        return hidden

    def judge(
        self, hidden: Tensor, spans: Int, kinds: Int, pairs: Pairs, window: Int | None = None
    ) -> Tensor:
        """Logits [pairs, relations].

        `hidden` [rows, width]; `spans` [m, 2] rows; `kinds` [m]; `pairs` [p, 2]: source and target among the
        spans, of one window; `window` [m]: where given, a pair has the same bits whatever other windows hold.
        """
        window = np.zeros(len(spans), np.int32) if window is None else window
        means = _Means(hidden, spans, window)
        source, target = self.ends(means(spans[:, 0], spans[:, 1], window)).chunk(2, 1)
        first, stop = _between(spans, pairs)
        apart, of = _both_ways(pairs, len(spans))
        between = self.between(means(first[apart], stop[apart], window[pairs[apart, 0]]))
        between = between * put((stop > first)[apart], hidden)[:, None]
        types = kinds[pairs[:, 0]].astype(np.int64) * len(self.kinds) + kinds[pairs[:, 1]]
        said = chosen(source, pairs[:, 0]) + chosen(target, pairs[:, 1]) + chosen(between, of)
        said = said + chosen(self.apart.weight, _steps(spans, pairs)) + chosen(self.types.weight, types)
        logits: Tensor = self.scores(F.relu(self.mix(F.relu(said))))
        return logits

    def read(self, projected: Tensor, spans: Int, kinds: Int, window: Int) -> tuple[Int, Float]:
        """See `RelationsHead.read`."""
        joined = np.any(self.joins, axis=0)
        pairs = candidates(spans, window, lambda i, j: joined[kinds[i], kinds[j]], self.reach, self.nearest)
        if not len(pairs):
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        logits = self.judge(projected, spans, kinds, pairs, window)
        probability = logits.double().sigmoid().float().cpu().numpy()
        fits = self.joins[:, kinds[pairs[:, 0]], kinds[pairs[:, 1]]].T
        row, category = np.nonzero(fits & ~(probability < self.thresholds))  # what is no number, too
        found = np.column_stack([pairs[row], category]).astype(np.int32)
        return found, probability[row, category]


def candidates(
    spans: Int, window: Int, fit: Callable[[Pairs, Pairs], NDArray[np.bool_]], reach: int, nearest: int
) -> Pairs:
    """Ordered pairs [p, 2] of spans of one window that fit, in order of their first, then their second.

    `spans` [m, 2] in order of their starts within each window; `fit(i, j)` bool for arrays of numbers.
    """
    number = np.arange(len(spans))
    found = [np.zeros((0, 2), np.int64)]
    for step in range(1, min(nearest, len(spans) - 1) + 1):
        left, right = number[:-step], number[step:]
        near = (window[left] == window[right]) & (spans[right, 0] - spans[left, 1] <= reach)
        left, right = left[near], right[near]
        for i, j in ((left, right), (right, left)):
            kept = fit(i, j)
            found.append(np.column_stack([i[kept], j[kept]]))
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _both_ways(pairs: Pairs, spans: int) -> tuple[Pairs, Pairs]:
    """Pairs with other spans than those before them, and for every pair the place of its own among these.

    What lies between two spans is the same from both."""
    low, high = pairs.min(1), pairs.max(1)
    _, firsts, places = np.unique(low * spans + high, return_index=True, return_inverse=True)
    return firsts, places


def _between(spans: Int, pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows between the two spans of each pair; empty where they touch or overlap."""
    one, other = spans[pairs[:, 0]].astype(np.int64), spans[pairs[:, 1]].astype(np.int64)
    first = np.minimum(one[:, 1], other[:, 1])
    return first, np.maximum(first, np.maximum(one[:, 0], other[:, 0]))


def _steps(spans: Int, pairs: Pairs) -> NDArray[np.int64]:
    first, stop = _between(spans, pairs)
    bucket = np.searchsorted(BUCKETS, stop - first, side="right")
    before = spans[pairs[:, 0], 0] <= spans[pairs[:, 1], 0]
    steps: NDArray[np.int64] = bucket + before * (len(BUCKETS) + 2)
    return steps


class _Means:
    """Means of stretches of rows that begin and end where spans do: differences of running sums, which go
    from one such place to the next and begin anew in each window."""

    def __init__(self, rows: Tensor, spans: Int, window: Int) -> None:
        self._apart = len(rows) + 1
        """More than any place: of two windows none is the same."""
        self._keys = np.unique(self._key(spans.astype(np.int64), window[:, None]))
        places, of = self._keys % self._apart, self._keys // self._apart
        lengths = put(np.maximum(np.diff(places), 0), rows)
        stretches = sums(rows[places[0] : places[0] + int(lengths.sum())], lengths)
        running = []
        for first, stop in pairwise([*np.flatnonzero(np.diff(of, prepend=-1)).tolist(), len(of)]):
            running += [rows.new_zeros(1, rows.shape[1]), stretches[first : stop - 1].cumsum(0)]
        self._sums = torch.cat(running)

    def _key(self, place: NDArray[np.int64], window: Int) -> NDArray[np.int64]:
        return window.astype(np.int64) * self._apart + place

    def __call__(self, first: NDArray[Any], stop: NDArray[Any], window: Int) -> Tensor:
        """Of rows `first:stop` of their windows, [n, width]; zeros where that is empty."""
        begin, end = (np.searchsorted(self._keys, self._key(place, window)) for place in (first, stop))
        total = chosen(self._sums, end) - chosen(self._sums, begin)
        sizes = np.maximum(stop - first, 1).astype(np.float32)
        return total / put(sizes, total)[:, None]


HEAD = Relations
