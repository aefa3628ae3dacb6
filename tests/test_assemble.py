import hashlib
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.assemble import assemble
from models.finish import Finish
from models.mentioned import SECTION_CONFIDENCE, without_duplicates
from models.passages import split
from models.sections import find_sections, is_known
from models.types import (
    Annotation,
    Classified,
    Cue,
    Entity,
    Findings,
    Note,
    Passage,
    Pipeline,
    RecordWarning,
    Span,
    Task,
)
from tests.records import PIPELINE, TIMINGS, mention, read, words

PIECES = st.sampled_from(
    [
        "pain",
        "Fever. ",
        "cough😀",
        "cafe\u0301",
        "HPI:",
        "PLAN:\n",
        "Family History:",
        "\r\n",
        "\n\n",
        " ",
        ". ",
        "\x00",
        "שלום",
        "\u200d",
        "👩🏽‍⚕️",
        "1. ",
        "\ufeff",
        "\u2028",
        ",MEDICATIONS: ,",
        "ﬁ",
        "İ",
        "\U0010ffff",
    ]
)
TEXTS = st.one_of(st.text(min_size=1), st.lists(PIECES, min_size=1).map("".join))


def only(record: Annotation) -> Entity:
    assert len(record.entities) == 1
    return record.entities[0]


def variants(text: str) -> list[str]:
    """Ten texts of one, so that ten thousand cases take seconds."""
    half = len(text) // 2
    parts = [text, text[::-1], text[1:], text[:-1], text[half:], text[:half], text.upper(), text + " " + text]
    return [*parts, f"PLAN:\r\n{text}\r\n", f"{text}.,HPI: ,{text[::-1]}"]


@settings(max_examples=1000, deadline=None)
@given(TEXTS, st.integers(1, 7))
def test_every_entity_is_the_text_at_its_span(generated: str, step: int) -> None:
    def finder(passage: Passage) -> Findings:
        length = len(passage.text)
        return Findings(
            tuple(
                mention(
                    at, min(at + step, length), f"C{at % 3}", evidence=(Cue("negation", Span(0, at + 1)),)
                )
                for at in range(0, length, step)
            )
        )

    for text in variants(generated):
        check_spans(text, read(Note(id="n", text=text), finder))


def check_spans(text: str, record: Annotation) -> None:
    sections = {section.id: section for section in record.sections}
    visible = {place for place, character in enumerate(text) if not character.isspace()}
    for section in filter(lambda section: is_known(section.title), record.sections):
        at = text.find(section.title, section.span.start)
        visible -= set(range(section.span.start, at + len(section.title)))
    assert visible <= {place for e in record.entities for place in range(e.span.start, e.span.end)}
    for entity in record.entities:
        assert text[entity.span.start : entity.span.end] == entity.text
        assert all(text[cue.span.start : cue.span.end] == cue.text for cue in entity.evidence)
        around = sections[entity.section].span
        assert around.start <= entity.span.start < entity.span.end <= around.end
    assert [e.span for e in record.entities] == sorted(e.span for e in record.entities)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_a_record_survives_json_and_its_spans_count_code_points(generated: str) -> None:
    for text in variants(generated):
        note = Note(id="n", text=text)
        encoded = msgspec.json.encode(read(note, words(r"\w+")))
        again = msgspec.json.decode(encoded, type=Annotation)
        assert msgspec.json.encode(again) == encoded == msgspec.json.encode(read(note, words(r"\w+")))
        assert again.document.characters == len(text)
        assert again.document.content_sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert [text[e.span.start : e.span.end] for e in again.entities] == [e.text for e in again.entities]


def test_ids_depend_on_document_version_span_category_and_fingerprint_only() -> None:
    def ids(note: Note, category: str = "DISEASE", fingerprint: str = "0" * 16) -> tuple[str, str]:
        record = read(note, words("cough", category=category), Pipeline("any", "2", fingerprint))
        return record.id, only(record).id

    first = ids(Note(id="n", text="HPI: cough."))
    assert re.fullmatch("a[0-9a-f]{32}", first[0])
    assert re.fullmatch("e[0-9a-f]{16}", first[1])
    assert ids(Note(id="n", text="HPI: cough.", patient_key="p", footer=1)) == first
    for other in (
        ids(Note(id="m", text="HPI: cough.")),
        ids(Note(id="n", text="HPI: cough.", version=2)),
        ids(Note(id="n", text="HPI:  cough.")),
        ids(Note(id="n", text="HPI: cough."), fingerprint="1" * 16),
    ):
        assert other[0] != first[0]
        assert other[1] != first[1]
    assert ids(Note(id="n", text="HPI: cough."), category="SIGN")[1] != first[1]
    assert ids(Note(id="n", text="HPI: cough.", version=1)) != ids(
        Note(id="n", text="HPI: cough.", version="1")
    )


def test_all_of_the_note_but_its_text_is_echoed() -> None:
    note = Note(
        id="n", text="Cough.", version="v2", patient_key="p", encounter_key="e", footer={"a": [1, None]}
    )
    warning = RecordWarning("code", "Our own sentence.")
    record = read(note, words("Cough"), warnings=[warning])
    assert record.document.version == "v2"
    assert (record.document.patient_key, record.document.encounter_key) == ("p", "e")
    assert record.document.footer == {"a": [1, None]}
    assert record.warnings == (warning,)
    assert (record.relations, record.phi, record.classifications) == ((), (), ())


def test_of_overlapping_mentions_of_one_category_the_surest_stays() -> None:
    sure, longer, early = mention(4, 6, confidence=0.9), mention(0, 5), mention(0, 3)
    other = mention(3, 6, "ANATOMY", 0.2)
    unsure = mention(5, 9, confidence=0.3)
    mentions = [unsure, early, longer, sure, other, sure]
    kept = [mentions[number] for number in without_duplicates(mentions)]
    assert longer in kept, "of two equally sure ones the longer stays"
    assert other in kept, "another category is no duplicate"
    assert early not in kept
    assert len([m for m in kept if m.span == sure.span]) == 0, "it overlaps the longer one"
    assert unsure in kept, "it overlaps nothing that stayed"


def test_family_history_is_another_persons_and_names_its_evidence() -> None:
    text = "FAMILY HISTORY:\nAsthma.\nSOCIAL HISTORY:\nAsthma."
    family, social = read(Note(id="n", text=text), words("Asthma")).entities
    assert family.assertion.association == "other"
    assert family.assertion_confidence.association == SECTION_CONFIDENCE
    assert [(e.kind, e.text) for e in family.evidence] == [("section", "FAMILY HISTORY")]
    assert text[slice(family.evidence[0].span.start, family.evidence[0].span.end)] == "FAMILY HISTORY"
    assert social.assertion.association == "subject"
    assert social.evidence == ()


@pytest.mark.parametrize(
    ("heading", "temporality"),
    [
        ("PAST MEDICAL HISTORY", "past"),
        ("PMH", "past"),
        ("Past Surgical History", "past"),
        ("PROBLEM LIST", "current"),
        ("HPI", "current"),
        ("PLAN", "current"),
    ],
)
def test_past_history_is_past(heading: str, temporality: str) -> None:
    entity = only(read(Note(id="n", text=f"{heading}: asthma."), words("asthma")))
    assert entity.assertion.temporality == temporality
    assert [e.kind for e in entity.evidence] == (["section"] if temporality == "past" else [])


def test_a_cue_or_the_encoder_overrules_the_section() -> None:
    note = Note(id="n", text="FAMILY HISTORY: patient asthma.")
    cue = Cue("experiencer", Span(16, 23))
    assert only(read(note, words("asthma", evidence=(cue,)))).assertion.association == "subject"
    future = words("asthma", assertion=("positive", "none", "subject", "future"))
    entity = only(read(Note(id="n", text="PMH: asthma."), future))
    assert entity.assertion.temporality == "future"
    assert entity.evidence == ()


def test_a_negation_cue_leaves_the_sections_rule_alone() -> None:
    finder = words(
        "asthma",
        assertion=("negative", "none", "subject", "current"),
        evidence=(Cue("negation", Span(5, 7)),),
    )
    entity = only(read(Note(id="n", text="HPI: well.\nPMH: no asthma."), finder))
    assert (entity.assertion.certainty, entity.assertion.temporality) == ("negative", "past")
    assert [(e.kind, e.text) for e in entity.evidence] == [("negation", "no"), ("section", "PMH")]


def test_labels_of_passages_become_labels_of_the_note_by_length() -> None:
    def finder(passage: Passage) -> Findings:
        first = "HPI" in passage.text
        return Findings(classified=(Classified("kind", (1.0 if first else 0.0, 0.5)),))

    text = "HPI: 123456789.\n\nPLAN: 12345678901234567890."
    weights = [len(p.text) for p in split(text, find_sections(text))]
    finish = Finish((Task("kind", ("a", "b")),))
    (classification,) = read(Note(id="n", text=text), finder, finish=finish).classifications
    assert classification.task == "kind"
    assert {label.label: label.confidence for label in classification.labels} == {
        "b": 0.5,
        "a": round(weights[0] / sum(weights), 3),
    }
    assert [label.label for label in classification.labels] == ["b", "a"], "the surest first"


def test_a_mention_outside_its_passage_is_a_bug_and_is_not_published() -> None:
    with pytest.raises(AssertionError, match="this is a bug"):
        read(Note(id="n", text="Cough."), lambda passage: Findings((mention(3, 9),)))
    with pytest.raises(ValueError, match="zip"):
        assemble(Note(id="n", text="Cough."), *_split("Cough."), [], PIPELINE, TIMINGS)


def _split(text: str) -> tuple[Any, Any]:
    sections = find_sections(text)
    return sections, split(text, sections)


def test_nothing_of_a_note_shows_in_a_repr() -> None:
    note = Note(id="Canary", text="HPI: Canary cough.", patient_key="Canary")
    record = read(note, words("Canary", evidence=(Cue("negation", Span(0, 3)),)))
    shown = repr((note, record, split(note.text, find_sections(note.text)), find_sections(note.text)))
    assert "Canary" not in shown


def test_the_words_of_a_known_heading_are_no_finding_and_those_of_an_unknown_one_may_be() -> None:
    finder = words("(?i)complaint|pain|zebra")
    text = "CHIEF COMPLAINT: Pain.\n\nZEBRA SPOTS: none.\n"
    record = read(Note(id="n", text=text), finder)
    assert [entity.text for entity in record.entities] == ["Pain", "ZEBRA"]
