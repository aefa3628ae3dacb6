"""Which entity a concept is, and counts of how it is asserted."""

from __future__ import annotations

from models.corpora.scheme import axes
from models.evaluation.asserted import by_value, graded, judged, overlapping
from tests.annotated import document, entity, labelled, record

NEGATED = axes("negative")
AFFIRMED = axes("positive", "positivePossible", "neutralPossible")
SPECULATED = axes("positivePossible", "neutralPossible")


def test_a_concept_is_the_entity_that_overlaps_most_of_those_that_are_asserted() -> None:
    concept = labelled(0, 14)
    lung, mass, old = entity(0, 9, "ANATOMY"), entity(10, 14, "SIGN_OR_SYMPTOM"), entity(20, 30, "DISEASE")
    assert overlapping(concept, [lung, mass, old]) is mass
    assert overlapping(concept, [lung, old]) is lung
    assert overlapping(concept, [old]) is None


def test_values_of_found_concepts_by_hand() -> None:
    own = document(
        judged=(
            labelled(0, 4, "", NEGATED),
            labelled(10, 14, "", NEGATED),
            labelled(20, 24, "", AFFIRMED),
            labelled(30, 34, "", AFFIRMED),
            labelled(40, 44, "", NEGATED),
        )
    )
    found = record(
        entity(0, 4, "DISEASE", certainty="negative"),
        entity(10, 12, "DISEASE"),
        entity(20, 24, "DISEASE", certainty="neutralPossible"),
        entity(30, 34, "DISEASE"),
    )
    some = list(judged(own, found))
    assert {one.axis for one in some} == {"certainty"}
    assert by_value(some, "certainty") == {
        "negative": (2, 1, 1),
        "positive": (1, 2, 1),
        "neutralPossible": (1, 1, 1),
    }
    unseen = by_value(some, "certainty", unseen=True)
    assert unseen == {**by_value(some, "certainty"), "negative": (3, 1, 1)}
    assert by_value(some, "temporality") == {}


def test_every_axis_that_is_labelled_is_judged_with_its_own_confidence() -> None:
    own = document(judged=(labelled(0, 4, "", axes("positive", "past")),))
    some = list(judged(own, record(entity(0, 4, "DISEASE", temporality="past"))))
    assert [(one.axis, one.said, one.right, one.confidence) for one in some] == [
        ("certainty", "positive", True, 0.9),
        ("temporality", "past", True, 0.6),
    ]


def test_graded_certainty_counts_either_of_two_values_on_found_effects() -> None:
    own = document(
        judged=(
            *(labelled(at, at + 4, "", SPECULATED) for at in (0, 10, 20, 30)),
            labelled(40, 44, "", axes("positive")),
        )
    )
    found = record(
        entity(0, 4, "DISEASE", certainty="neutralPossible"),
        entity(10, 14, "DISEASE", certainty="positivePossible"),
        entity(20, 24, "DISEASE"),
        entity(40, 44, "DISEASE", certainty="positivePossible"),
    )
    assert graded(list(judged(own, found))) == {"possible": (3, 3, 2)}


def test_spans_that_say_how_they_are_asserted_count_unless_the_corpus_guesses() -> None:
    span = labelled(0, 4, "DISEASE", NEGATED)
    found = record(entity(0, 4, "DISEASE"))
    assert len(list(judged(document(span), found))) == 1
    assert not list(judged(document(span, corpus="maccrobat"), found))


def test_an_effect_of_two_events_is_one_concept() -> None:
    own = document(judged=(labelled(0, 4, "", NEGATED), labelled(0, 4, "", NEGATED)))
    assert len(list(judged(own, record()))) == 1
