"""Calibration errors worked out by hand, and what holds for any answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.calibrated import Answer, calibration, counts, edges, expected_error

ANSWERS = st.lists(
    st.builds(
        Answer, st.sampled_from("abc"), st.floats(0, 1).map(lambda sure: round(sure, 3)), st.booleans()
    ),
    min_size=1,
    max_size=60,
)


def test_the_error_is_the_mean_distance_between_confidence_and_share_of_right_answers() -> None:
    """In one bin .9 against 1/2, in another .25 against 1: (2 · .4 + 1 · .75) / 3."""
    some = [Answer("a", 0.92, True), Answer("a", 0.88, False), Answer("b", 0.25, True)]
    bounds = np.array([0.0, 0.5, 1.0])
    assert float(expected_error(counts(some, bounds).sum(0))) == pytest.approx((2 * 0.4 + 0.75) / 3)
    assert counts(some, bounds).tolist() == [
        [[0, 0, 0], [2, pytest.approx(1.8), 1]],
        [[1, 0.25, 1], [0, 0, 0]],
    ]


def test_bins_have_equal_width_or_equal_mass() -> None:
    confidences = [at / 1000 for at in range(700, 1000)]
    wide = edges(confidences, "width")
    assert np.allclose(np.diff(wide), 1 / 15)
    found = calibration("h", ["c"], [Answer("a", sure, True) for sure in confidences])
    assert [own.answers for own in found.bins] == [20] * 15
    assert found.equal_mass.value == pytest.approx(1 - float(np.mean(confidences)))


def test_where_many_are_equally_sure_there_are_fewer_bins() -> None:
    some = [Answer("a", 1.0, True)] * 30 + [Answer("b", 0.5, False)] * 2
    found = calibration("h", ["c"], some)
    assert sum(own.answers for own in found.bins) == 32
    assert len(found.bins) <= 2
    assert found.equal_mass.value == pytest.approx(2 * 0.5 / 32)


def test_who_is_as_right_as_it_is_sure_has_no_error() -> None:
    some = [Answer("a", 0.75, right) for right in (True, True, True, False)]
    found = calibration("h", ["c"], some)
    assert found.equal_mass.value == found.equal_width.value == 0
    assert found.equal_mass.low is None  # of one document there is no interval


@given(ANSWERS)
@settings(max_examples=60, deadline=None)
def test_every_answer_is_in_one_bin_and_the_error_is_a_share(some: list[Answer]) -> None:
    found = calibration("h", ["c"], some, 50)
    assert sum(own.answers for own in found.bins) == len(some)
    for own in found.bins:
        assert own.low <= own.confidence <= own.high or np.isclose([own.low, own.high], own.confidence).any()
    for one in (found.equal_mass, found.equal_width):
        assert one.value is not None
        assert 0 <= one.value <= 1
    sure, right = (sum(float(answer[place]) for answer in some) / len(some) for place in (1, 2))
    assert found.equal_mass.value is not None
    assert found.equal_mass.value >= abs(sure - right) - 1e-9  # bins only add to the distance of the whole
