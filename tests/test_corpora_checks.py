"""What every document is held to: spans in the text, apart, with known labels; what is left out is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.checks import checked
from models.corpora.problems import Problems
from models.corpora.raw import LONGEST, RawDocument, RawRelation, RawSpan
from models.corpora.scheme import Labelled, without_overlaps

HERE = Path("a.jsonl")
TEXT = "Aspirin for pain, none for fever."


def document(*spans: tuple[int, int, str], **others: object) -> RawDocument:
    raw = RawDocument(HERE, 3, TEXT, "n1", tuple(RawSpan(3, s, e, label) for s, e, label in spans))
    return replace(raw, **others)  # type: ignore[arg-type]


def check(raw: RawDocument, labels: set[str] | None = None) -> tuple[RawDocument | None, list[str]]:
    problems = Problems()
    kept = checked(raw, labels, problems)
    return kept, [str(problem).removeprefix("a.jsonl:3: ") for problem in problems.found]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 36), st.integers(-2, 36), st.sampled_from(["a", "b"])), max_size=12)
)
def test_what_is_kept_is_apart_and_all_else_is_named(spans: list[tuple[int, int, str]]) -> None:
    kept, told = check(document(*spans))
    assert kept is not None
    assert kept.spans is not None
    inside = [(s, e, label) for s, e, label in spans if 0 <= s < e <= len(TEXT) and TEXT[s:e].strip()]
    trimmed = [
        (s + len(TEXT[s:e]) - len(TEXT[s:e].lstrip()), s + len(TEXT[s:e].rstrip()), label)
        for s, e, label in inside
    ]
    expected = without_overlaps(Labelled(s, e, frozenset({label})) for s, e, label in trimmed)
    assert [(span.start, span.end, span.label) for span in kept.spans] == [
        (span.start, span.end, *span.allowed) for span in expected
    ]
    assert len(told) == len(spans) - len(kept.spans)


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ([(0, 7, "Drug"), (0, 11, "Plan")], "Drug 0–7 lies in Plan 0–11; skipped"),
        ([(0, 11, "Plan"), (8, 16, "Aim")], "Aim 8–16 crosses Plan 0–11; skipped"),
        ([(0, 7, "Drug"), (0, 7, "Name")], "Name 0–7 covers the same as Drug 0–7; skipped"),
        ([(0, 7, "Drug"), (0, 7, "Drug")], "Drug 0–7 repeats Drug 0–7; skipped"),
        ([(5, 5, "Drug")], "Drug 5–5 is empty; skipped"),
        ([(7, 3, "Drug")], "Drug 7–3 is empty; skipped"),
        ([(7, 8, "Drug")], "Drug 7–8 covers nothing but blanks; skipped"),
        ([(-3, 4, "Drug")], "Drug -3–4 lies outside of its text of 33 characters; skipped"),
        ([(30, 34, "Drug")], "Drug 30–34 lies outside of its text of 33 characters; skipped"),
        ([(0, 7, " ")], "the span 0–7 has no label; skipped"),
    ],
)
def test_a_span_that_cannot_be_is_named(spans: list[tuple[int, int, str]], told: str) -> None:
    assert check(document(*spans))[1] == [told]


def test_blanks_at_the_ends_are_no_part_of_a_span() -> None:
    kept, told = check(document((7, 12, "For")))
    assert kept is not None
    assert [span.place for span in kept.spans or ()] == [(8, 11)]
    assert told == []


def test_labels_that_nobody_asked_for_are_left_out() -> None:
    raw = document(
        (0, 7, "Drug"),
        (12, 16, "Finding"),
        (27, 32, "Finding"),
        relations=(RawRelation(3, "not", 1, 2), RawRelation(3, "Drug", 0, 1)),
        classes={"type": ("Drug", "letter"), "topic": ("x",), "free": ()},
        pairs=frozenset({("Drug", "D1", "D2"), ("odd", "D1", "D2")}),
    )
    kept, told = check(raw, {"Drug"})
    assert kept is not None
    assert [span.label for span in kept.spans or ()] == ["Drug"]
    assert (kept.relations, kept.classes) == ((), {"type": ("Drug",), "free": ()})
    assert kept.pairs == {("Drug", "D1", "D2")}
    assert told.count("Finding is none of the labels that were asked for; skipped") == 2
    assert {"letter", "x", "odd"} <= {line.split()[0] for line in told}


def test_relations_follow_their_spans_and_count_once() -> None:
    ends = ((2, 0), (2, 0), (1, 0), (0, 0), (0, -1))
    relations = tuple(RawRelation(3, "r", source, target) for source, target in ends)
    raw = document((27, 32, "F"), (0, 0, "x"), (0, 7, "D"), relations=relations)
    kept, told = check(raw)
    assert kept is not None
    assert kept.relations == (RawRelation(3, "r", 0, 1),)
    assert told[1:] == [
        "r: its source is no span that is kept; skipped",
        "r leads from a span to itself; skipped",
        "r: its target is no span that is kept; skipped",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" \n\t", "has no text; skipped"),
        ("x" * (LONGEST + 1), "its text has 1,000,001 characters, 1,000,000 are the most; skipped"),
    ],
    ids=["blank", "long"],
)
def test_texts_that_are_none_or_too_long_are_left_out(text: str, told: str) -> None:
    assert check(document(text=text)) == (None, [told])


def test_a_text_of_a_million_characters_with_as_many_spans_as_fit_is_read() -> None:
    text = "word " * (LONGEST // 5)
    spans = tuple(RawSpan(1, at, at + 4, "Word", text="word") for at in range(0, LONGEST - 50, 50))
    kept, told = check(document(text=text, spans=spans))
    assert kept is not None
    assert (kept.spans, told) == (spans, [])
