"""Calibration: whether of all that a head says with confidence 0.8, 80 % is right.

Expected calibration error (Naeini et al. 2015; Guo et al. 2017): over bins of confidence, the mean distance
between a bin's mean confidence and its share of right answers, weighted by how much falls into it. In 15 bins
that hold about as many answers each (equal mass), and in 15 of the same width. Its bootstrap interval lies a
little high, as noise only adds to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from models.evaluation.bootstrap import RESAMPLES, SEED, Figure, figure
from models.evaluation.counts import Array

BINS = 15
How = Literal["mass", "width"]


class Answer(NamedTuple):
    """One thing that a head said in a document: how sure it was, whether it is right, and what it said."""

    group: str
    confidence: float
    right: bool
    label: str = ""


@dataclass(frozen=True)
class Bin:
    """Answers with confidences in [`low`, `high`): how many, their mean confidence, what share is right."""

    low: float
    high: float
    answers: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """Of one head, on the corpora named. Errors are 0 … 1."""

    head: str
    corpora: tuple[str, ...]
    answers: int
    documents: int
    equal_mass: Figure
    equal_width: Figure
    bins: tuple[Bin, ...]


def calibration(
    head: str,
    corpora: Sequence[str],
    answers: Sequence[Answer],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Calibration:
    mass, width = (edges([a.confidence for a in answers], how) for how in ("mass", "width"))
    by_mass, by_width = counts(answers, mass), counts(answers, width)
    return Calibration(
        head,
        tuple(corpora),
        len(answers),
        len(by_mass),
        figure(by_mass, expected_error, resamples, seed),
        figure(by_width, expected_error, resamples, seed),
        tuple(_bins(by_mass.sum(0), mass)),
    )


def edges(confidences: Sequence[float], how: How, bins: int = BINS) -> Array:
    """Bounds of bins, from 0 to 1; fewer bins where many confidences are the same."""
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    if how == "mass" and len(confidences):
        inner = np.quantile(np.asarray(confidences, np.float64), inner, method="higher")
    return np.array([0.0, *sorted({float(edge) for edge in inner} - {0.0, 1.0}), 1.0])


def counts(answers: Sequence[Answer], bounds: Array) -> Array:
    """[documents, bins, 3]: answers, sum of their confidences, how many are right."""
    groups = {group: number for number, group in enumerate(sorted({a.group for a in answers}))}
    summed = np.zeros((len(groups), len(bounds) - 1, 3))
    for answer in answers:
        place = int(np.searchsorted(bounds[1:-1], answer.confidence, side="right"))
        summed[groups[answer.group], place] += 1.0, answer.confidence, answer.right
    return summed


def expected_error(summed: Array) -> Array:
    """[..., bins, 3] → [...]; NaN without answers."""
    answers = summed[..., 0].sum(-1)
    apart = np.abs(summed[..., 1] - summed[..., 2]).sum(-1)
    errors: Array = np.where(answers > 0, apart / np.maximum(answers, 1), np.nan)
    return errors


def _bins(summed: Array, bounds: Array) -> list[Bin]:
    rows = zip(bounds[:-1].tolist(), bounds[1:].tolist(), summed.tolist(), strict=True)
    return [
        Bin(low, high, round(answers), confidence / answers, right / answers)
        for low, high, (answers, confidence, right) in rows
        if answers
    ]
