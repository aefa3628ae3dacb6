"""What is said and shown of an explanation."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.types import Annotation, Explanation, Note, Span, Word
from streamer.explaining_words import LEVELS, excerpt, heading, level, measured, visible
from tests.records import read, words

TEXT = "One sentence far away from it. " * 8 + "No fever today."


def explanation(annotation: Annotation, *found: Word, **more: Any) -> Explanation:
    fields: dict[str, Any] = {
        "kind": "entity", "reference": annotation.entities[0].id, "task": "category", "label": "DISEASE",
        "method": "ig", "score": 2.0, "baseline": -1.5, "completeness_error": 0.034, "words": found,
    }  # fmt: skip
    return Explanation(**fields | more)


@pytest.fixture
def annotation() -> Annotation:
    return read(Note(id="n", text=TEXT), words("fever"))


def word(text: str, weight: float) -> Word:
    start = TEXT.rindex(text)
    return Word(Span(start, start + len(text)), text, weight)


def test_what_is_explained_is_named(annotation: Annotation) -> None:
    assert heading(annotation, explanation(annotation)) == ("fever", "DISEASE")
    axis = explanation(annotation, kind="assertion", task="certainty", label="negative")
    assert heading(annotation, axis) == ("fever", "certainty: negative")
    whole = explanation(annotation, kind="class", reference=None, task="note_type", label="Consult")
    assert heading(annotation, whole) == ("the note", "note_type: Consult")


def test_how_sure_and_how_exact_is_said_in_one_line(annotation: Annotation) -> None:
    said = measured(explanation(annotation))
    assert said == "encoder 88.1 % (log-odds +2.00, −1.50 with every word masked); completeness error 3.4 %"
    plain = explanation(annotation, baseline=None, completeness_error=None, score=900.0)
    assert measured(plain) == "encoder > 99.9 % (log-odds +900.00)"


@pytest.mark.parametrize(
    ("kind", "said"), [("assertion", "a cue or a section decided"), ("entity", "likeliest reading")]
)
def test_what_the_encoder_alone_would_not_have_said_is_told(
    annotation: Annotation, kind: str, said: str
) -> None:
    assert said in measured(explanation(annotation, kind=kind, score=-0.1))


def test_words_are_as_strong_as_their_share_of_the_strongest(annotation: Annotation) -> None:
    found = [word("fever", 4.0), word("No", -2.0), word("today", 0.1)]
    assert [level(own, explanation(annotation, *found)) for own in found] == [LEVELS, 2, 0]


def test_far_away_words_that_weigh_next_to_nothing_do_not_lengthen_the_excerpt(
    annotation: Annotation,
) -> None:
    far = Word(Span(0, 3), "One", 0.01)
    near = [word("fever", 4.0), word("No", -2.0)]
    span = excerpt(annotation, explanation(annotation, *near, far))
    assert TEXT[span.start : span.end] == "No fever"
    strong = Word(Span(0, 3), "One", 3.0)
    span = excerpt(annotation, explanation(annotation, near[0], strong))
    assert span.start == 0


@settings(deadline=None)
@given(st.text())
def test_what_is_visible_is_as_long_as_it_was(text: str) -> None:
    assert len(visible(text)) == len(text)
    assert re.sub("\n", "", visible(text)).isprintable()
