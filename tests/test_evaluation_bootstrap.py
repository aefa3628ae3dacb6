"""Intervals and tests of differences: right where the answer is known, the same at every call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.bootstrap import Figure, difference, figure, randomisation, samples
from models.evaluation.counts import Array, micro

FEW = 200


def documents(*threes: tuple[int, int, int]) -> Array:
    """Counts of documents that have one label."""
    return np.array(threes, np.float64).reshape(-1, 1, 3)


THREES = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).map(
    lambda three: (max(three[0], three[2]), max(three[1], three[2]), three[2])
)
COUNTS = st.lists(THREES, min_size=2, max_size=12).map(lambda threes: documents(*threes))


@given(THREES, st.integers(2, 9))
@settings(max_examples=30, deadline=None)
def test_where_all_documents_are_alike_the_interval_is_the_figure(
    three: tuple[int, int, int], number: int
) -> None:
    found = figure(documents(*[three] * number), micro, FEW)
    if three[0] + three[1]:
        assert found.value == found.low == found.high
    else:
        assert found == Figure(None)


def test_the_interval_is_that_of_a_share_of_documents() -> None:
    """20 of 100 documents right: the bootstrap's standard error is √(.2 · .8 / 100) = .04."""
    found = figure(documents(*[(1, 1, 1)] * 20, *[(1, 1, 0)] * 80), micro, 4000)
    assert found.value == 0.2
    assert found.low == pytest.approx(0.2 - 1.96 * 0.04, abs=0.015)
    assert found.high == pytest.approx(0.2 + 1.96 * 0.04, abs=0.015)


def test_draws_without_anything_to_count_are_left_out() -> None:
    found = figure(documents((1, 1, 1), (0, 0, 0)), micro, FEW)
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_one_document_has_no_interval() -> None:
    assert figure(documents((2, 2, 1)), micro) == Figure(0.5, None, None)
    one = difference(documents((2, 2, 1)), documents((2, 2, 2)), micro)
    assert (one.first, one.second, one.value, one.low, one.p) == (0.5, 1.0, 0.5, None, None)


@given(COUNTS, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_same_at_every_call_and_for_every_order(counts: Array, chance: object) -> None:
    assert figure(counts, micro, FEW) == figure(counts, micro, FEW)
    shuffled = counts[np.random.default_rng(1).permutation(len(counts))]
    one, two = figure(counts, micro, FEW).value, figure(shuffled, micro, FEW).value
    assert one == pytest.approx(two)


@given(COUNTS)
@settings(max_examples=30, deadline=None)
def test_nothing_differs_from_itself(counts: Array) -> None:
    one = difference(counts, counts, micro, FEW)
    if one.value is not None:
        assert (one.value, one.low, one.high, one.p) == (0, 0, 0, 1)


def test_a_difference_in_every_document_is_significant_and_has_a_sign() -> None:
    worse, better = documents(*[(4, 4, 2)] * 12), documents(*[(4, 4, 3)] * 12)
    one = difference(worse, better, micro, 2000)
    assert (one.first, one.second, one.value, one.low, one.high) == (0.5, 0.75, 0.25, 0.25, 0.25)
    assert one.p is not None
    assert one.p < 0.01
    other = difference(better, worse, micro, 2000)
    assert other.value == -0.25


def test_the_p_value_is_the_share_of_swaps_that_differ_as_much() -> None:
    """Two documents, each better in one of them by as much: every swap differs by 0 or by as much as seen;
    three documents of which all are better: 2 of 8 swaps differ by as much."""
    first, second = documents((4, 4, 1), (4, 4, 3)), documents((4, 4, 3), (4, 4, 1))
    assert randomisation(first, second, micro, 500) == 1
    first, second = documents(*[(4, 4, 1)] * 3), documents(*[(4, 4, 2)] * 3)
    assert randomisation(first, second, micro, 8000) == pytest.approx(2 / 8, abs=0.02)


def test_what_seems_much_may_be_one_document() -> None:
    first, second = documents(*[(4, 4, 2)] * 11, (9, 9, 0)), documents(*[(4, 4, 2)] * 11, (9, 9, 9))
    one = difference(first, second, micro, 2000)
    assert one.p == 1
    assert one.low == 0


def test_counts_of_other_documents_are_refused() -> None:
    with pytest.raises(ValueError, match="other documents"):
        difference(documents((1, 1, 1)), documents((1, 1, 1), (1, 1, 1)), micro)


def test_labels_of_one_table_are_drawn_together() -> None:
    chance = np.random.default_rng(3)
    counts = np.sort(chance.integers(0, 9, (20, 3, 3)), axis=2)[:, :, ::-1].astype(np.float64)
    drawn = samples(counts, FEW)
    assert drawn.figure(micro) == figure(counts, micro, FEW)
    for label in range(3):
        assert drawn.figure(micro, label) == figure(counts[:, [label]], micro, FEW)


def test_without_resamples_there_is_a_figure_and_no_interval() -> None:
    assert figure(documents((2, 2, 1), (2, 2, 2)), micro, 0) == Figure(0.75, None, None)
    assert figure(documents(), micro) == Figure(None)
