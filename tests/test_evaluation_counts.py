"""Counts of documents add up, and figures follow from the sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.counts import Threes, aligned, macro, micro, score, tally

THREES = st.tuples(st.integers(0, 9), st.integers(0, 9)).flatmap(
    lambda both: st.tuples(st.just(both[0]), st.just(both[1]), st.integers(0, min(both)))
)
ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.dictionaries(st.sampled_from("XYZ"), THREES)), max_size=9
)


def test_rows_of_one_document_are_added_and_labels_come_by_how_often_they_are_gold() -> None:
    counted = tally([("b", {"X": (1, 1, 0)}), ("a", {"Y": (4, 2, 2)}), ("b", {"X": (2, 1, 1)})], "Z")
    assert counted.groups == ("a", "b")
    assert counted.labels == ("Y", "X", "Z")
    assert counted.counts[1].tolist() == [[0, 0, 0], [3, 2, 1], [0, 0, 0]]
    assert counted.sums.tolist() == [[4, 2, 2], [3, 2, 1], [0, 0, 0]]


def test_figures_by_hand() -> None:
    sums = tally([("a", {"X": (4, 2, 2), "Y": (1, 3, 1)})], "Z").sums
    assert score(sums)[:2].tolist() == pytest.approx([4 / 6, 2 / 4])
    assert float(micro(sums)) == pytest.approx(6 / 10)
    assert float(macro(sums)) == pytest.approx((4 / 6 + 2 / 4) / 2)  # nobody speaks of Z
    assert float(micro(sums, "recall")) == pytest.approx(3 / 5)
    assert float(macro(sums, "recall")) == pytest.approx((2 / 4 + 1 / 1) / 2)


def test_a_label_that_is_named_for_nothing_lowers_the_mean() -> None:
    assert float(macro(tally([("a", {"X": (1, 1, 1), "Y": (0, 1, 0)})]).sums)) == 0.5


def test_of_nothing_there_is_no_figure() -> None:
    for of in (micro, macro):
        assert np.isnan(of(tally([("a", {})], "X").sums))
        assert np.isnan(of(tally([("a", {})]).sums))


def test_two_tallies_are_held_against_each_other_in_the_labels_that_both_have() -> None:
    one, two = aligned(
        tally([("a", {"X": (1, 0, 0), "Y": (2, 0, 0)})]), tally([("a", {"X": (1, 1, 1), "Z": (1, 1, 1)})])
    )
    assert one.labels == two.labels == ("X",)
    assert (one.sums.tolist(), two.sums.tolist()) == ([[1, 0, 0]], [[1, 1, 1]])
    with pytest.raises(ValueError, match="other documents"):
        aligned(one, tally([("b", {})]))


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_the_order_of_texts_does_not_matter(rows: list[tuple[str, Threes]], chance: object) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = tally(rows), tally(shuffled)
    assert (one.groups, one.labels) == (two.groups, two.labels)
    assert np.array_equal(one.counts, two.counts)


@settings(deadline=None)
@given(ROWS)
def test_f1_lies_between_nothing_and_all(rows: list[tuple[str, Threes]]) -> None:
    for value in (micro(tally(rows).sums), macro(tally(rows).sums)):
        assert np.isnan(value) or 0 <= value <= 1
