"""How what was learned, what has the form of an identifier, and what was found elsewhere become one list."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.phi import CATEGORIES, Found, resolve
from models.types import Span

HALF = dict.fromkeys(CATEGORIES, 0.5)


def learned(text: str, *marks: tuple[str, str, float]) -> list[Found]:
    return [
        Found(Span(text.index(words), text.index(words) + len(words)), category, confidence)
        for words, category, confidence in marks
    ]


def said(text: str, *marks: tuple[str, str, float], at: dict[str, float] = HALF) -> list[tuple[str, str]]:
    found = resolve(text, learned(text, *marks), at)
    return [(text[one.span.start : one.span.end], one.category) for one in found]


def test_learned_spans_and_patterns_stand_side_by_side() -> None:
    text = "Okafor came on 03/14/2023 from Leeds."
    assert said(text, ("Leeds", "LOCATION", 0.9), ("Okafor", "NAME", 0.9)) == [
        ("Okafor", "NAME"), ("03/14/2023", "DATE"), ("Leeds", "LOCATION")
    ]  # fmt: skip


def test_the_dial_drops_what_is_not_sure_enough_by_category() -> None:
    text = "Okafor came from Leeds on 03/14/2023."
    marks = (("Okafor", "NAME", 0.6), ("Leeds", "LOCATION", 0.6))
    assert said(text, *marks, at={"NAME": 0.7, "LOCATION": 0.6}) == [
        ("Leeds", "LOCATION"), ("03/14/2023", "DATE")
    ]  # fmt: skip
    assert said(text, *marks, at={"NAME": 0.6, "LOCATION": 0.99, "DATE": 0.99}) == [("Okafor", "NAME")]
    assert said(text, ("Leeds", "CITY", 0.49), at={"DATE": 1.0}) == []  # a category that no table names


def test_the_one_that_covers_all_stays() -> None:
    text = "see May 30th, 2022 and 12 Elm St, Ely, MA 02115"
    assert said(text, ("May 30th", "DATE", 0.9), ("12 Elm St, Ely, MA 02115", "LOCATION", 0.6)) == [
        ("May 30th, 2022", "DATE"), ("12 Elm St, Ely, MA 02115", "LOCATION")
    ]  # fmt: skip


def test_the_surer_names_what_both_cover() -> None:
    text = "number 415-555-2671 given"
    assert said(text, ("415-555-2671", "FAX", 0.97)) == [("415-555-2671", "FAX")]
    assert said(text, ("415-555-2671", "FAX", 0.6)) == [("415-555-2671", "PHONE")]


def test_what_crosses_becomes_one_of_the_longest_one_s_category() -> None:
    text = "at 12 Elm St 415-555-2671 x3"
    assert said(text, ("12 Elm St 415", "LOCATION", 0.8)) == [("12 Elm St 415-555-2671 x3", "PHONE")]


def test_of_overlapping_learned_spans_the_surer_stays() -> None:
    text = "Ada Okafor Leeds"
    marks = (("Ada Okafor", "NAME", 0.8), ("Okafor Leeds", "LOCATION", 0.9))
    assert said(text, *marks) == [("Okafor Leeds", "LOCATION")]


def test_white_space_at_the_ends_is_left_out() -> None:
    text = "from  Leeds , then"
    assert said(text, (" Leeds ", "LOCATION", 0.9), ("  ", "NAME", 0.9)) == [("Leeds", "LOCATION")]


@pytest.mark.parametrize(
    ("words", "left"), [("Mr.", []), ("Dr", []), ("Dr. Okafor", ["Dr. Okafor"]), ("Drew", ["Drew"])]
)
def test_a_form_of_address_alone_is_no_name(words: str, left: list[str]) -> None:
    assert said(f"seen by {words} today", (words, "NAME", 0.9)) == [(name, "NAME") for name in left]


def test_a_form_of_address_and_a_field_add_names() -> None:
    assert said("Patient Name: Okafor, Ada\nName: Jo Onwu\nseen by Dr. Brown.") == [
        ("Okafor, Ada", "NAME"), ("Jo Onwu", "NAME"), ("Dr. Brown", "NAME")
    ]  # fmt: skip
    assert said("seen by Dr. Brown's team", ("Dr. Brown's team", "ORGANIZATION", 0.8)) == [
        ("Dr. Brown's team", "ORGANIZATION")
    ]
    assert said("Name: Blood Test Results\nSurgeon: None\nDr. The patient", at=HALF) == []


def test_a_span_outside_of_the_text_is_refused_without_a_word_of_the_text() -> None:
    with pytest.raises(ValueError, match="outside of a text of 6") as caught:
        resolve("Okafor", [(Span(2, 9), "NAME", 0.9)], HALF)
    assert "Okafor" not in str(caught.value)


WORDS = st.sampled_from(
    ["Okafor", "okafor", "Brown", "brown", "Dr.", "MRN:", "12345678", "03/14/2023", "the", "patient", "Leeds",
     "415-555-2671", "Call", ".", "\n", "a@b.org", "May 3, 2021", "Ada"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40), st.data())
def test_all_that_is_sure_is_hidden_once(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    places = st.integers(0, len(text))
    spans = data.draw(
        st.lists(st.tuples(places, places, st.sampled_from(CATEGORIES[:6]), st.floats(0, 1)), max_size=8)
    )
    given_spans = [(Span(min(a, b), max(a, b)), category, sure) for a, b, category, sure in spans]
    found = resolve(text, given_spans, HALF)
    hidden: set[int] = set()
    end = 0
    for one in found:
        assert end <= one.span.start < one.span.end <= len(text)
        hidden.update(range(one.span.start, one.span.end))
        end = one.span.end
    sure = [span for span, _, confidence in given_spans if confidence >= 0.5]
    for span in sure:  # every sure one is hidden, or lost against a surer or longer one that it overlaps
        inside = [at for at in range(span.start, span.end) if not text[at].isspace()]
        assert hidden.issuperset(inside) or any(span.overlaps(other) and span != other for other in sure)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=30))
def test_the_order_of_what_was_learned_does_not_matter(words: list[str]) -> None:
    text = " ".join(words)
    marks = [Found(Span(at, at + 3), "NAME", 0.5 + at % 7 / 14) for at in range(0, max(0, len(text) - 3), 2)]
    assert resolve(text, marks, HALF) == resolve(text, marks[::-1], HALF)
