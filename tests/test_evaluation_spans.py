"""Exact and lenient matching, worked out by hand, and what holds for any spans."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.spans import Place, exact, found_places, gold_places, lenient, matched
from tests.annotated import entity, labelled

PLACES = st.frozensets(
    st.tuples(st.integers(0, 20), st.integers(1, 6), st.sampled_from("XY")).map(
        lambda place: (place[0], place[0] + place[1], place[2])
    ),
    max_size=8,
)
Places = frozenset[Place]


def test_exact_has_the_same_start_end_and_label() -> None:
    gold = {(0, 4, "X"), (6, 9, "X"), (12, 14, "Y")}
    found = {(0, 4, "X"), (6, 8, "X"), (12, 14, "X")}
    assert exact(gold, found) == {"X": (2, 3, 1), "Y": (1, 0, 0)}


def test_lenient_is_any_overlap_of_one_label() -> None:
    gold = {(0, 4, "X"), (6, 9, "X"), (12, 14, "Y")}
    found = {(3, 5, "X"), (9, 11, "X"), (12, 14, "X")}
    assert lenient(gold, found) == {"X": (2, 3, 1), "Y": (1, 0, 0)}


def test_a_span_is_matched_once_by_what_it_shares_most_with() -> None:
    gold = {(0, 10, "X")}
    found = {(0, 3, "X"), (4, 10, "X")}
    assert matched(gold, found) == [((0, 10, "X"), (4, 10, "X"))]
    assert lenient(gold, found) == {"X": (1, 2, 1)}
    assert lenient(found, gold) == {"X": (2, 1, 1)}


def test_what_is_exact_is_matched_first() -> None:
    assert matched({(0, 4, "X")}, {(0, 4, "X"), (0, 9, "X")}) == [((0, 4, "X"), (0, 4, "X"))]
    assert matched({(4, 8, "X")}, {(4, 8, "X"), (0, 9, "X")}) == [((4, 8, "X"), (4, 8, "X"))]
    gold, found = {(0, 4, "X"), (0, 9, "X")}, {(0, 4, "X"), (0, 20, "X")}
    assert sorted(matched(gold, found)) == [((0, 4, "X"), (0, 4, "X")), ((0, 9, "X"), (0, 20, "X"))]


def test_names_merge_categories_and_leave_others_out() -> None:
    names = {"DISEASE": "PROBLEM", "SIGN_OR_SYMPTOM": "PROBLEM", "AGE": "AGE"}
    spans = [
        labelled(0, 4, "DISEASE/SIGN_OR_SYMPTOM"),
        labelled(5, 6),
        labelled(7, 9, "SEX"),
        labelled(9, 11, "AGE"),
    ]
    assert gold_places(spans, names) == {(0, 4, "PROBLEM"), (9, 11, "AGE")}
    found = [entity(0, 4, "SIGN_OR_SYMPTOM"), entity(0, 4, "DISEASE"), entity(5, 6, "DATE")]
    assert found_places(found, names) == {(0, 4, "PROBLEM")}


@settings(deadline=None)
@given(PLACES, PLACES)
def test_lenient_never_counts_less_than_exact(gold: Places, found: Places) -> None:
    strict, loose = exact(gold, found), lenient(gold, found)
    assert strict.keys() == loose.keys()
    for label, (there, named, right) in loose.items():
        assert strict[label][:2] == (there, named)
        assert strict[label][2] <= right <= min(there, named)


@settings(deadline=None)
@given(PLACES, PLACES)
def test_matching_is_the_same_from_both_sides(gold: Places, found: Places) -> None:
    there = {(one, two) for one, two in matched(gold, found)}
    back = {(one, two) for two, one in matched(found, gold)}
    assert there == back


@settings(deadline=None)
@given(PLACES, PLACES)
def test_pairs_overlap_have_one_label_and_share_nobody(gold: Places, found: Places) -> None:
    pairs = matched(gold, found)
    for one, two in pairs:
        assert one[2] == two[2]
        assert max(one[0], two[0]) < min(one[1], two[1])
    assert len({one for one, _ in pairs}) == len({two for _, two in pairs}) == len(pairs)


@settings(deadline=None)
@given(PLACES, PLACES)
def test_whoever_is_left_over_has_nobody_free_to_match(gold: Places, found: Places) -> None:
    pairs = matched(gold, found)
    free = [gold - {one for one, _ in pairs}, found - {two for _, two in pairs}]
    for one in free[0]:
        for two in free[1]:
            assert one[2] != two[2] or one[1] <= two[0] or two[1] <= one[0]
