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

import numpy as np
from numpy.typing import NDArray

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


def figure(counts: Array, formula: Formula, resamples: int = RESAMPLES, seed: int = SEED) -> Figure:
    """`counts` [documents, labels, columns]."""
    value = _number(formula(counts.sum(0)))
    if value is None or len(counts) < 2:
        return Figure(value)
    return Figure(value, *_percentiles(formula(_drawn(counts, resamples, seed))))


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
    drawn = formula(_drawn(second, resamples, seed)) - formula(_drawn(first, resamples, seed))
    p = randomisation(first, second, formula, resamples, seed)
    return Difference(one, two, two - one, *_percentiles(drawn), p)


def randomisation(
    first: Array, second: Array, formula: Formula, resamples: int = RESAMPLES, seed: int = SEED
) -> float:
    """The p-value of `TEST`, never 0: at least 1 / (resamples + 1)."""
    swapped = np.random.default_rng(seed).random((resamples, len(first))) < 0.5
    moved = _product(swapped.astype(np.float64), second - first)
    shuffled = formula(second.sum(0) - moved) - formula(first.sum(0) + moved)
    seen = abs(float(formula(second.sum(0)) - formula(first.sum(0))))
    as_large = np.abs(np.nan_to_num(shuffled)) >= seen - 1e-12
    return (1 + int(as_large.sum())) / (1 + resamples)


def _drawn(counts: Array, resamples: int, seed: int) -> Array:
    """Sums of the counts of as many documents, drawn with replacement [resamples, labels, columns]."""
    number = len(counts)
    times = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), resamples)
    return _product(times.astype(np.float64), counts)


def _product(weights: NDArray[np.float64], counts: Array) -> Array:
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
