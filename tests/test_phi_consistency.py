"""What was found once is found wherever it stands as whole words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.phi.consistency import everywhere
from models.phi.found import Found
from models.types import Span


def more(text: str, words: str, category: str = "NAME") -> list[str]:
    """What is found besides the first place of `words`."""
    start = text.index(words)
    found = [Found(Span(start, start + len(words)), category, 0.9)]
    return [text[one.span.start : one.span.end] for one in everywhere(text, found)]


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("Ada Okafor came. Okafor left.", "Ada Okafor", ["Okafor"]),
        ("Ada Okafor came. Ada left.", "Ada Okafor", ["Ada"]),
        ("Ada Okafor came. OKAFOR, ADA left.", "Ada Okafor", ["OKAFOR, ADA"]),
        ("Dr. Okafor came. Call Dr. Okafor, or Okafor's nurse.", "Dr. Okafor", ["Dr. Okafor", "Okafor"]),
        ("Ada Okafor came. Seen by Mrs. Okafor.", "Ada Okafor", ["Okafor"]),
        ("ada okafor came. okafor left, ada too", "ada okafor", ["okafor", "ada"]),
        ("Okafor, Ada B.\nAda Okafor", "Okafor, Ada B.", ["Ada Okafor"]),
        ("Ada Okafor, MD\nOkafor MD", "Ada Okafor, MD", ["Okafor"]),
        ("Ana O'Neill-Brown came. O'Neill-Brown left", "Ana O'Neill-Brown", ["O'Neill-Brown"]),
    ],
)
def test_a_name_is_found_by_each_of_its_parts(text: str, name: str, found: list[str]) -> None:
    assert more(text, name) == found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada Okafor came. Okafora left, xOkafor and Okafor1 too.", "Ada Okafor"),
        ("Robert Brown came. Brown sputum. The sputum is brown.", "Robert Brown"),
        ("Robert Long came. LONG HISTORY: a long history", "Robert Long"),
        ("John Parkinson came. He has Parkinson's disease and Parkinson syndrome.", "John Parkinson"),
        ("Foley came. A Foley catheter was placed.", "Foley"),
        ("Al Li came. Li and Al are too short, as is L.", "Al Li"),
    ],
)
def test_what_is_no_name_by_itself_is_left_alone(text: str, name: str) -> None:
    assert more(text, name) == []


def test_a_common_word_is_a_name_where_it_is_written_like_one() -> None:
    assert more("Robert Brown came. I saw Brown today; brown stool.", "Robert Brown") == ["Brown"]


def test_numbers_places_and_firms_are_found_as_they_are() -> None:
    assert more("MRN 445566, again 445566, not 4455667 or 1445566.", "445566", "MRN") == ["445566"]
    assert more("ID AB-12345. AB-12345! ab-12345", "AB-12345", "OTHER_ID") == ["AB-12345"]
    assert more("ID AB-1234. AB-12345, AB-1234-5", "AB-1234", "OTHER_ID") == ["AB-1234"]
    assert more("in New Leeds. From New Leedsham", "New Leeds", "LOCATION") == []
    assert more("no 123, 123", "123", "MRN") == []
    assert more(
        "12 Elmgate Road, Leeds. To 12 Elmgate Road, Leeds", "12 Elmgate Road, Leeds", "LOCATION"
    ) == ["12 Elmgate Road, Leeds"]
    assert more("in Leeds. From Leeds? leeds", "Leeds", "LOCATION") == ["Leeds"]
    assert more("our clinic. The clinic", "our clinic", "LOCATION") == []
    assert more("on 3/4/21, 3/4/21", "3/4/21", "DATE") == []  # a date is found by its form


def test_what_is_found_already_is_not_found_again() -> None:
    text = "Okafor, okafor@x.org, Okafor"
    found = [Found(Span(0, 6), "NAME", 0.9), Found(Span(8, 20), "EMAIL", 0.9)]
    assert everywhere(text, found) == [Found(Span(22, 28), "NAME", 0.9)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["Okafor", "Ada", "brown", "Brown", "x", ",", "\n", "Dr."]), max_size=60))
def test_findings_are_whole_words_in_order_and_apart_from_the_known(words: list[str]) -> None:
    text = "Ada Okafor " + " ".join(words)
    known = Found(Span(0, 10), "NAME", 0.9)
    end = known.span.end
    for one in everywhere(text, [known]):
        assert one.span.start >= end
        assert not text[one.span.start - 1].isalnum()
        assert not text[one.span.end : one.span.end + 1].isalnum()
        end = one.span.end
    left = text[11:]
    for one in reversed(everywhere(text, [known])):
        left = left[: one.span.start - 11] + left[one.span.end - 11 :]
    assert "Okafor" not in left.split()


def test_a_long_note_is_read_once() -> None:
    text = "Ada Okafor " + "Okafor was here. " * 60_000
    assert len(everywhere(text, [Found(Span(0, 10), "NAME", 0.9)])) == 60_000


def test_of_terms_with_one_first_word_the_longest_that_stands_there_is_found() -> None:
    text = "12 Elm Road; 12 Elm Road North. To 12 Elm Road Northern, 12 Elm Road North, 12 Elm."
    places = (Span(0, 11), Span(13, 30))
    found = everywhere(text, [Found(span, "LOCATION", 0.9) for span in places])
    assert [text[one.span.start : one.span.end] for one in found] == ["12 Elm Road", "12 Elm Road North"]
