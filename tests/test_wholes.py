"""What passages say becomes what the note, or a section of it, is."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.types import Classified, Findings, Passage, Section, Span, Task
from models.wholes import classifications, embeddings, pooled, section_categories

TOPICS = Task("topics", ("a", "b", "c"), "log-odds", (0.5, 0.2, 0.9))


def passage(text: str, section: str = "s1") -> Passage:
    return Passage(span=Span(0, len(text)), text=text, section=section)


def said(*confidences: float, task: str = "topics") -> Findings:
    return Findings(classified=(Classified(task, confidences),))


def test_labels_are_said_from_their_thresholds_on_the_likeliest_first() -> None:
    (own,) = classifications([passage("x")], [said(0.6, 0.7, 0.8)], [TOPICS])
    assert [(label.label, label.confidence) for label in own.labels] == [("b", 0.7), ("a", 0.6)]


def test_log_odds_are_averaged_by_length() -> None:
    both = [passage("x" * 10), passage("x" * 30)]
    whole = pooled(both, [said(0.9, 0.5, 0.5), said(0.2, 0.5, 0.5)], 0, TOPICS)
    expected = (10 * math.log(9) + 30 * math.log(0.25)) / 40
    assert whole[0] == pytest.approx(1 / (1 + math.exp(-expected)))
    mean = pooled(both, [said(0.9, 0.5, 0.5), said(0.2, 0.5, 0.5)], 0, Task("t", ("a", "b", "c")))
    assert mean[0] == pytest.approx(0.375)


def test_certainties_of_none_and_all_do_not_decide_alone() -> None:
    whole = pooled([passage("x"), passage("xxx")], [said(1.0, 0, 0), said(0.0, 0, 0)], 0, TOPICS)
    assert 0 < whole[0] < 0.5


def test_an_empty_note_is_of_no_class() -> None:
    assert classifications([], [], [TOPICS]) == ()


KINDS = Task("section", ("plan", "exam"))


def section(name: str, category: str, title: str) -> Section:
    return Section(id=name, span=Span(0, 9), title=title, category=category, body=0)


def test_a_section_without_a_heading_is_what_it_looks_like_and_others_stay() -> None:
    sections = [
        section("s1", "unknown", ""),
        section("s2", "unknown", "Zebra"),
        section("s3", "labs", "Labs"),
    ]
    passages = [passage("one", "s1"), passage("two", "s2"), passage("three", "s3")]
    findings = [said(0.1, 0.9, task="section")] * 3
    assert section_categories(sections, passages, findings, [KINDS]) == ["exam", "unknown", "labs"]
    assert (
        section_categories(sections, passages, [said(0.5, 0.5, task="section")] * 3, [KINDS])[0] == "unknown"
    )
    assert section_categories(sections, passages, [Findings()] * 3, []) == ["unknown", "unknown", "labs"]
    assert classifications(passages, findings, [KINDS]) == (), "it is asked of sections, not of the note"


VECTORS = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=5)


@given(VECTORS)
@example([(0.0, 1e-162)])
@example([(5e-324, 0.0)])
def test_embeddings_are_one_long_for_the_note_and_each_section(vectors: list[tuple[float, float]]) -> None:
    passages = [passage("x" * (n + 1), f"s{n % 2}") for n in range(len(vectors))]
    found = embeddings(passages, [Findings(embedding=vector) for vector in vectors])
    assert [own.section for own in found] == [None, *(f"s{n}" for n in range(min(2, len(vectors))))]
    for own in found:
        length = math.hypot(*own.vector)
        assert length == pytest.approx(1, abs=1e-3) or length == pytest.approx(0, abs=1e-3)


def test_without_vectors_there_are_no_embeddings_and_a_repr_shows_no_numbers() -> None:
    assert embeddings([passage("x")], [Findings()]) == ()
    (note, _) = embeddings([passage("x")], [Findings(embedding=(0.6, 0.8))])
    assert "0.6" not in repr(note)
