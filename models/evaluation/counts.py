"""What every figure is made of: counts of each document, which add up.

A figure of any set of documents follows from the sums of their counts, so that a bootstrap over documents is
a product of matrices. Counts come in threes: how many there are (gold), how many were named (found), how many
of these are right. Accuracy is such a count as well: of what was asked, what was answered, what was right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Threes = Mapping[str, tuple[int, int, int]]
"""By label: gold, found, right."""
Kind = Literal["f1", "recall", "coverage", "accuracy"]
"""Recall: where precision means nothing, as labels are incomplete. Coverage: where recall matters, as of
hidden characters. Accuracy: one answer is asked for. All but F1 are shares of gold that is right."""

GOLD, FOUND, RIGHT = range(3)


class Ratios:
    """Of whatever has how many there are, how many were named, and how many of these are right."""

    gold: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.gold + self.found) if self.gold + self.found else 0.0


@dataclass(frozen=True)
class Tally:
    """`counts` [groups, labels, 3]; a group is what is drawn together: all texts with one document's id."""

    labels: tuple[str, ...]
    groups: tuple[str, ...] = field(repr=False)
    counts: Array = field(repr=False)

    @property
    def sums(self) -> Array:
        """[labels, 3]"""
        summed: Array = self.counts.sum(0)
        return summed


def tally(rows: Iterable[tuple[str, Threes]], labels: Iterable[str] = ()) -> Tally:
    """Counts by document's id; several rows of one id are added. `labels` that nobody names are there too;
    the order is that of how often each is gold."""
    by_group: dict[str, dict[str, Array]] = {}
    gold = dict.fromkeys(labels, 0)
    for group, threes in rows:
        own = by_group.setdefault(group, {})
        for label, counted in threes.items():
            own[label] = own.get(label, np.zeros(3)) + counted
            gold[label] = gold.get(label, 0) + counted[GOLD]
    groups, names = tuple(sorted(by_group)), tuple(sorted(gold, key=lambda label: (-gold[label], label)))
    counts = np.zeros((len(groups), len(names), 3))
    place = {name: number for number, name in enumerate(names)}
    for row, group in enumerate(groups):
        for label, three in by_group[group].items():
            counts[row, place[label]] = three
    return Tally(names, groups, counts)


def aligned(first: Tally, second: Tally) -> tuple[Tally, Tally]:
    """The labels that both have, in one order. Both have to be of the same documents."""
    if first.groups != second.groups:
        raise ValueError("this is a bug: tallies of other documents are compared")
    labels = tuple(label for label in first.labels if label in second.labels)
    return _only(first, labels), _only(second, labels)


def _only(whole: Tally, labels: tuple[str, ...]) -> Tally:
    return Tally(labels, whole.groups, whole.counts[:, [whole.labels.index(label) for label in labels]])


def score(counts: Array, kind: Kind = "f1") -> Array:
    """Counts [..., 3] → F1, or the share of gold that is right [...], 0 … 1; NaN where nothing is there."""
    if kind == "f1":
        right, of = 2 * counts[..., RIGHT], counts[..., GOLD] + counts[..., FOUND]
    else:
        right, of = counts[..., RIGHT], counts[..., GOLD]
    scores: Array = np.where(of > 0, right / np.where(of > 0, of, 1), np.nan)
    return scores


def micro(counts: Array, kind: Kind = "f1") -> Array:
    """Counts [..., labels, 3] → [...]: all labels' counts together."""
    return score(counts.sum(-2), kind)


def macro(counts: Array, kind: Kind = "f1") -> Array:
    """Counts [..., labels, 3] → [...]: the mean over labels that are there or were named; of accuracy, which
    says little about rare labels, that of F1."""
    scores = score(counts, "f1" if kind == "accuracy" else kind)
    known = ~np.isnan(scores)
    number = known.sum(-1)
    sums = np.where(known, scores, 0.0).sum(-1)
    means: Array = np.where(number > 0, sums / np.maximum(number, 1), np.nan)
    return means
