"""Counts of exact spans, of characters that leak and of those hidden for nothing, worked out by hand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.scheme import ANYTHING, PHI, Document, Labelled, Layer
from models.evaluation.phi import cheapest, document_scores, phi_scores, sweep
from models.phi import Found
from models.types import Span

TEXT = "Ada Okafor, Leeds, called 0113 496 0000."


def document(
    *spans: tuple[int, int, str], text: str = TEXT, covered: frozenset[str] = frozenset(PHI)
) -> Document:
    labels = tuple(
        Labelled(start, end, frozenset(allowed.split("/")) if allowed else ANYTHING)
        for start, end, allowed in spans
    )
    return Document("test", "1", text, layers={"phi": Layer(labels, covered)})


def found(*spans: tuple[int, int, str]) -> list[Found]:
    return [Found(Span(start, end), category, 0.9) for start, end, category in spans]


GOLD = document((0, 10, "NAME"), (12, 17, "LOCATION"), (26, 39, "FAX/PHONE"))


def test_exact_spans_and_characters_are_counted_by_category() -> None:
    scores = phi_scores([(GOLD, found((0, 3, "NAME"), (12, 17, "ORGANIZATION"), (26, 39, "PHONE")))])
    name, place, firm, phone, everything = (
        scores[category] for category in ("NAME", "LOCATION", "ORGANIZATION", "PHONE", "all")
    )
    assert (name.gold, name.found, name.right, name.covered, name.leaked) == (1, 1, 0, 3, 7)
    assert (place.gold, place.found, place.right, place.coverage) == (1, 0, 0, 1.0)
    assert (firm.gold, firm.found, firm.over) == (0, 1, 0)
    assert (phone.gold, phone.right, phone.f1) == (1, 1, 1.0)
    assert (everything.gold, everything.found, everything.right) == (3, 3, 1)
    assert (everything.characters, everything.covered) == (28, 21)
    assert round(everything.f1, 4) == 0.3333


def test_what_is_hidden_for_nothing_counts_where_it_is_known_to_be_nothing() -> None:
    scores = document_scores(GOLD, found((0, 17, "NAME"), (19, 25, "LOCATION")))
    assert scores["NAME"].over == 2
    assert (scores["LOCATION"].found, scores["LOCATION"].over) == (1, 6)
    names_only = document((0, 10, "NAME"), covered=frozenset({"NAME"}))
    assert phi_scores([(names_only, found((19, 25, "LOCATION")))])["all"].found == 0


def test_spans_that_may_be_anything_are_ignored() -> None:
    open_title = document((0, 3, ""), (4, 10, "NAME"))
    assert phi_scores([(open_title, found((0, 3, "NAME"), (4, 10, "NAME")))])["all"].f1 == 1.0
    whole = phi_scores([(open_title, found((0, 10, "NAME")))])["all"]
    assert (whole.right, whole.over, whole.coverage) == (0, 1, 1.0)  # the space between them


def test_spans_side_by_side_count_as_one_if_asked_to() -> None:
    text = "12 Elmgate Apt. 4"
    gold = document((0, 2, "LOCATION"), (3, 10, "LOCATION"), (11, 17, "LOCATION"), text=text)
    pair = (gold, found((0, 17, "LOCATION")))
    assert phi_scores([pair])["all"].f1 == 0.0
    assert phi_scores([pair], side_by_side=True)["all"].f1 == 1.0


def test_nothing_found_and_nothing_there() -> None:
    assert phi_scores([])["all"].coverage == 1.0
    assert phi_scores([(GOLD, [])])["all"].as_dict() == {
        "category": "all", "gold": 3, "found": 0, "right": 0, "characters": 28, "covered": 0, "over": 0,
        "leaked": 28, "precision": 0.0, "recall": 0.0, "f1": 0.0, "coverage": 0.0,
    }  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.sampled_from(PHI)), max_size=6))
def test_sums_hold_whatever_is_found(spans: list[tuple[int, int, str]]) -> None:
    predicted: list[Found] = []
    for a, b, category in sorted((min(a, b), max(a, b), category) for a, b, category in spans):
        if a < b and (not predicted or predicted[-1].span.end <= a):
            predicted.append(Found(Span(a, b), category, 0.9))
    everything = phi_scores([(GOLD, predicted)])["all"]
    assert everything.found == len(predicted)
    assert everything.covered + everything.over == sum(len(one.span) for one in predicted)
    assert everything.right <= min(everything.gold, everything.found)


def test_the_dial_shows_what_recall_costs() -> None:
    spans = ((0, 10, "NAME", 0.35), (12, 17, "LOCATION", 0.9), (19, 25, "NAME", 0.15))
    learned = [Found(Span(start, end), category, sure) for start, end, category, sure in spans]
    points = sweep([(GOLD, learned)], steps=(0.1, 0.3, 0.5))
    name = {p.threshold: (p.recall, p.leaked, p.over) for p in points if p.category == "NAME"}
    assert name == {0.1: (1.0, 0, 6), 0.3: (1.0, 0, 0), 0.5: (0.0, 10, 0)}
    assert cheapest(points, 1.0)["NAME"] == 0.3
    assert cheapest(points, 1.0)["LOCATION"] == 0.5


def test_where_no_threshold_is_enough_the_least_leak_is_chosen() -> None:
    learned = [Found(Span(0, 3), "NAME", 0.35)]
    points = sweep([(GOLD, learned)], steps=(0.1, 0.3, 0.5))
    assert cheapest(points, 0.99)["NAME"] == 0.1
