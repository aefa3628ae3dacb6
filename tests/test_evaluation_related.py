"""Relations found in a record, and pairs of codes between gold entities."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.scheme import Related
from models.evaluation.related import Candidate, by_code, code_pairs, strict
from tests.annotated import document, entity, labelled, record, related

ADVERSE = "ADVERSE_EFFECT_OF"


def test_a_relation_is_right_with_its_category_its_direction_and_both_exact_ends() -> None:
    own = document(
        relations=(
            Related(ADVERSE, (0, 4), (10, 14)),
            Related(ADVERSE, (20, 24), (10, 14)),
            Related("TREATS", (10, 14), (30, 34)),
        ),
        related=frozenset({ADVERSE, "TREATS"}),
    )
    found = record(
        *(entity(at, at + 4, "DISEASE") for at in (0, 10, 20, 30)),
        entity(20, 25, "DISEASE"),
        relations=(
            related(ADVERSE, (0, 4), (10, 14)),
            related(ADVERSE, (20, 25), (10, 14)),  # not the exact span
            related("TREATS", (30, 34), (10, 14)),  # the other way round
            related("LOCATION_OF", (0, 4), (10, 14)),  # of which this corpus says nothing
            related(ADVERSE, (50, 54), (10, 14)),  # an end that is no entity of the record
        ),
    )
    assert strict(own, found) == {ADVERSE: (2, 2, 1), "TREATS": (1, 1, 0)}


def test_a_pair_of_codes_adds_the_odds_of_its_pairs_of_mentions() -> None:
    spans = [
        labelled(0, 4, "DISEASE", codes="D1"),
        labelled(5, 9, "DISEASE", codes="D1"),
        labelled(10, 14, "MEDICATION", codes="C1"),
        labelled(15, 19, "MEDICATION", codes="C2"),
    ]
    some = [Candidate(ADVERSE, 0, 2, 0.2), Candidate(ADVERSE, 1, 2, 0.75), Candidate(ADVERSE, 1, 3, 0.4)]
    pairs = code_pairs(spans, some)
    assert pairs == {  # odds 1/4 + 3 and 2/3
        (ADVERSE, "D1", "C1"): pytest.approx(3.25 / 4.25),
        (ADVERSE, "D1", "C2"): pytest.approx(0.4),
    }
    own = document(code_pairs=frozenset({(ADVERSE, "D1", "C1"), (ADVERSE, "D9", "C1")}))
    assert by_code(own, pairs, 0.5) == {ADVERSE: (2, 1, 1)}
    assert by_code(own, pairs, 0.39) == {ADVERSE: (2, 2, 1)}


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_more_pairs_of_mentions_never_say_less_whatever_their_order(sure: list[float]) -> None:
    spans = [labelled(n, n + 1, "DISEASE", codes="D") for n in range(len(sure))]
    spans.append(labelled(99, 100, "MEDICATION", codes="C"))
    some = [Candidate(ADVERSE, n, len(sure), p) for n, p in enumerate(sure)]
    (whole,) = code_pairs(spans, some).values()
    assert max(sure) - 1e-12 <= whole <= 1
    assert [*code_pairs(spans, some[::-1]).values()] == [pytest.approx(whole)]
    assert (whole == 1) or max(sure) < 1


@pytest.mark.parametrize("codes", [(), ("C1", "C2")])
def test_a_mention_may_have_any_number_of_codes(codes: tuple[str, ...]) -> None:
    spans = [labelled(0, 4, "DISEASE", codes="D1"), labelled(9, 12, "MEDICATION", codes=codes)]
    pairs = code_pairs(spans, [Candidate(ADVERSE, 0, 1, 0.9)])
    assert set(pairs) == {(ADVERSE, "D1", code) for code in codes}


def test_a_mention_that_has_a_code_twice_counts_once() -> None:
    spans = [labelled(0, 4, "DISEASE", codes=("D1", "D1")), labelled(9, 12, "MEDICATION", codes="C1")]
    pairs = code_pairs(spans, [Candidate(ADVERSE, 0, 1, 0.5)])
    assert pairs == {(ADVERSE, "D1", "C1"): pytest.approx(0.5)}
