"""Curves of confidence, thresholds of labels: fitted to what was said, careful where that is little."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.calibrated import Answer
from models.training.settle import CEILING, FLOOR, curves, platt, thresholds


def said(count: int, confidence: float, right: float, label: str = "A") -> list[Answer]:
    """`right`: the share that is."""
    return [Answer("g", confidence, n < right * count, label) for n in range(count)]


def bent(confidence: float, curve: list[float] | tuple[float, float]) -> float:
    a, b = curve
    return float(1 / (1 + np.exp(-(a * np.log(confidence / (1 - confidence)) + b))))


def test_what_is_too_sure_becomes_less_so() -> None:
    chance = random.Random(0)
    sure = [chance.uniform(0.5, 0.999) for _ in range(4000)]
    answers = [Answer("g", p, chance.random() < bent(p, (0.5, -0.3))) for p in sure]
    a, b = platt(answers)
    assert a == pytest.approx(0.5, abs=0.1)
    assert b == pytest.approx(-0.3, abs=0.2)


def test_of_few_answers_a_label_keeps_the_curve_of_all() -> None:
    many = said(400, 0.9, 0.6) + said(400, 0.7, 0.4)
    found = curves([*many, *said(2, 0.9, 0.0, "B"), *said(300, 0.9, 0.95, "C")], ["A", "B", "C", "D"])
    together = platt([*many, *said(2, 0.9, 0.0, "B"), *said(300, 0.9, 0.95, "C")])
    assert found["D"] == pytest.approx(list(together), abs=1e-3)
    assert bent(0.9, found["A"]) == pytest.approx(0.6, abs=0.05)
    assert bent(0.9, found["C"]) == pytest.approx(0.95, abs=0.05)
    assert bent(0.9, found["A"]) < bent(0.9, found["C"])
    assert bent(0.9, found["B"]) > 0.4


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60))
def test_a_curve_rises_whatever_was_said(answers: list[tuple[float, bool]]) -> None:
    a, b = platt([Answer("g", confidence, right) for confidence, right in answers])
    assert a > 0
    assert np.isfinite(b)


def test_a_threshold_lies_where_f1_is_best_and_rare_labels_lean_on_all() -> None:
    rows = np.array([[0.9, 0.2], [0.8, 0.1], [0.4, 0.3], [0.3, 0.1], [0.1, 0.1]])
    gold = np.array([[True, False], [True, False], [True, False], [False, False], [False, False]])
    often, rare = thresholds(np.repeat(rows, 40, 0), np.repeat(gold, 40, 0))
    assert 0.3 < often < 0.4
    assert rare == pytest.approx(often, abs=0.1)
    assert all(FLOOR <= own <= CEILING for own in (often, rare))
