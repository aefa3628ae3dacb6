"""How far a figure, or the difference of two, may be chance: documents are drawn anew, or swapped.

- Interval: percentile bootstrap over documents (Efron & Tibshirani 1993, chapter 13). Texts with the same id
  (sentences of an abstract, rows of a report, sentences of a template) are drawn together, since they are not
  independent.
- Difference of two checkpoints on the same documents: paired bootstrap, the same documents drawn for both.
- Its p-value: approximate randomisation (Yeh 2000, "More accurate tests for the statistical significance of
  result differences"): each document's two results are swapped with probability 1/2; p is the share of swaps,
  the real order counted as one of them, whose difference is at least as large, whichever its sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.evaluation.counts import Array

RESAMPLES = 2000
SEED = 1
LEVEL = 0.95
TEST = "approximate randomisation over documents (Yeh 2000), two-sided"

Formula = Callable[[Array], Array]
"""Summed counts [..., labels, columns] → figures [...]; NaN where nothing is there to count."""


@dataclass(frozen=True)
class Figure:
    """`low` … `high`: the interval; None, like `value`, where there is nothing to count, or one document."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference:
    """Of two checkpoints on the same documents: `value` is `second` - `first`."""

    first: float | None
    second: float | None
    value: float | None
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class Samples:
    """Counts of documents, `summed` as they are [labels, columns], and over as many `drawn` with replacement
    [resamples, labels, columns]. `documents`: how many there are to draw from."""

    summed: Array
    drawn: Array
    documents: int

    def figure(self, formula: Formula, label: int | None = None) -> Figure:
        """Of all labels together, or of one."""
        some = slice(None) if label is None else slice(label, label + 1)
        value = _number(formula(self.summed[some]))
        if value is None or self.documents < 2:
            return Figure(value)
        return Figure(value, *_percentiles(formula(self.drawn[:, some])))


def samples(counts: Array, resamples: int = RESAMPLES, seed: int = SEED) -> Samples:
    """`counts` [documents, labels, columns]; of a lone document nothing is drawn."""
    drawn = counts[:0] if len(counts) < 2 else _product(_times(len(counts), resamples, seed), counts)
    return Samples(counts.sum(0), drawn, len(counts))


def figure(counts: Array, formula: Formula, resamples: int = RESAMPLES, seed: int = SEED) -> Figure:
    """`counts` [documents, labels, columns]; without resamples there is no interval."""
    return samples(counts, resamples, seed).figure(formula)


def difference(
    first: Array, second: Array, formula: Formula, resamples: int = RESAMPLES, seed: int = SEED
) -> Difference:
    """Counts [documents, labels, columns] of the same documents in the same order, and the same labels."""
    if first.shape != second.shape:
        raise ValueError("this is a bug: counts of other documents or labels are compared")
    one, two = _number(formula(first.sum(0))), _number(formula(second.sum(0)))
    if one is None or two is None or len(first) < 2:
        known = None if one is None or two is None else two - one
        return Difference(one, two, known, None, None, None)
    times = _times(len(first), resamples, seed)
    drawn = formula(_product(times, second)) - formula(_product(times, first))
    p = randomisation(first, second, formula, resamples, seed)
    return Difference(one, two, two - one, *_percentiles(drawn), p)


def randomisation(
    first: Array, second: Array, formula: Formula, resamples: int = RESAMPLES, seed: int = SEED
) -> float:
    """The p-value of `TEST`, never 0: at least 1 / (resamples + 1)."""
    moved = _product(_swapped(len(first), resamples, seed), second - first)
    shuffled = formula(second.sum(0) - moved) - formula(first.sum(0) + moved)
    seen = abs(float(formula(second.sum(0)) - formula(first.sum(0))))
    as_large = np.abs(np.nan_to_num(shuffled)) >= seen - 1e-12
    return (1 + int(as_large.sum())) / (1 + resamples)


@lru_cache(maxsize=2)
def _times(documents: int, resamples: int, seed: int) -> Array:
    """How often each document is drawn [resamples, documents]. Remembered: tables of a corpus draw alike."""
    even = np.full(documents, 1 / documents)
    return np.random.default_rng(seed).multinomial(documents, even, resamples).astype(np.float64)


@lru_cache(maxsize=2)
def _swapped(documents: int, resamples: int, seed: int) -> Array:
    """Whose two results change places [resamples, documents]."""
    return (np.random.default_rng(seed).random((resamples, documents)) < 0.5).astype(np.float64)


def _product(weights: Array, counts: Array) -> Array:
    product: Array = (weights @ counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:])
    return product


def _percentiles(values: Array) -> tuple[float | None, float | None]:
    """Draws in which there was nothing to count are left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None, None
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _number(value: Array) -> float | None:
    return None if np.isnan(value) else float(value)
