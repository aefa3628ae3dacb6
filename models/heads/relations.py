"""Relations between the spans of a window: each pair that may be related is scored on the device.

What two spans say of each other is read from the means of their tokens' projections, the mean of the tokens
between them, how far apart they lie, and what they are. Only near pairs of kinds that some relation joins are
looked at, so that the cost grows with the number of spans, not with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.heads import Bool, Float, Int, Settings
from models.ranges import ranges

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
        nearest: int = 16,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.categories, self.kinds = tuple(categories), tuple(kinds)
        self.joins, self.reach, self.nearest = joins, reach, nearest
        self.thresholds = np.array(thresholds or [0.5] * len(categories), np.float32)
        self.tokens = nn.Linear(width, 3 * hidden)
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
        """`hidden` [tokens, width] → [tokens, 3 · k]: as a source, as a target, as what lies between."""
        projected: Tensor = self.tokens(hidden)
        return projected

    def judge(self, projected: Tensor, spans: Int, kinds: Int, pairs: Pairs) -> Tensor:
        """Logits [pairs, relations].

        `projected` [rows, 3 · k]; `spans` [m, 2] rows; `kinds` [m]; `pairs` [p, 2]: source and target among
        the spans, of one window.
        """
        source, target, between = projected.chunk(3, 1)
        first, stop = _between(spans, pairs)
        said = (
            _means(source, spans[:, 0], spans[:, 1])[pairs[:, 0]],
            _means(target, spans[:, 0], spans[:, 1])[pairs[:, 1]],
            _means(between, first, stop),
            self.apart(_steps(spans, pairs, projected.device)),
            self.types(
                torch.from_numpy(kinds[pairs[:, 0]] * self.joins.shape[1] + kinds[pairs[:, 1]]).to(
                    projected.device
                )
            ),
        )
        logits: Tensor = self.scores(F.relu(self.mix(F.relu(torch.stack(said).sum(0)))))
        return logits

    def read(self, projected: Tensor, spans: Int, kinds: Int, window: Int) -> tuple[Int, Float]:
        """See `RelationsHead.read`."""
        joined = np.any(self.joins, axis=0)
        pairs = candidates(spans, window, lambda i, j: joined[kinds[i], kinds[j]], self.reach, self.nearest)
        if not len(pairs):
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        probability = self.judge(projected, spans, kinds, pairs).double().sigmoid().float().cpu().numpy()
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


def _between(spans: Int, pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows between the two spans of each pair; empty where they touch or overlap."""
    one, other = spans[pairs[:, 0]].astype(np.int64), spans[pairs[:, 1]].astype(np.int64)
    first = np.minimum(one[:, 1], other[:, 1])
    return first, np.maximum(first, np.maximum(one[:, 0], other[:, 0]))


def _steps(spans: Int, pairs: Pairs, device: torch.device) -> Tensor:
    first, stop = _between(spans, pairs)
    bucket = np.searchsorted(BUCKETS, stop - first, side="right")
    before = spans[pairs[:, 0], 0] <= spans[pairs[:, 1], 0]
    return torch.from_numpy(bucket + before * (len(BUCKETS) + 2)).to(device)


def _means(rows: Tensor, first: NDArray[np.integer[Any]], stop: NDArray[np.integer[Any]]) -> Tensor:
    """Means of `rows[first:stop]`, zeros where that is empty; the same whatever else is in `rows`."""
    lengths = torch.from_numpy((stop - first).astype(np.int64)).to(rows.device)
    which = torch.from_numpy(ranges(first.astype(np.int64), (stop - first).astype(np.int64))).to(rows.device)
    sums = torch.segment_reduce(rows.index_select(0, which).double(), "sum", lengths=lengths, axis=0)
    return (sums / lengths.clamp(min=1)[:, None]).float()


HEAD = Relations
