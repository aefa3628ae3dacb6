"""What is counted of a corpus: what it has labels for and the checkpoint heads, and nothing else."""

from __future__ import annotations

from models.corpora.scheme import CATEGORIES, PHI, Layer, Related, axes
from models.evaluation.abilities import Abilities
from models.evaluation.answered import answers
from models.evaluation.measures import Measure, Pair, measures, merged
from tests.annotated import classified, document, entity, labelled, record, related

ALL = Abilities(
    frozenset(CATEGORIES),
    phi=frozenset(PHI),
    relations=frozenset({"ADVERSE_EFFECT_OF"}),
    tasks={"type": ("letter", "report"), "specialty": ("heart", "lung"), "section": ("plan", "exam")},
)
PROBLEM = "DISEASE/SIGN_OR_SYMPTOM"
COVERED = frozenset({"DISEASE", "SIGN_OR_SYMPTOM", "MEDICATION"})


def measured(corpus: str, pairs: list[Pair], can: Abilities = ALL) -> dict[str, Measure]:
    return {one.task: one for one in measures(corpus, pairs, can)}


def counts(measure: Measure) -> dict[str, list[float]]:
    sums = dict(zip(measure.tally.labels, measure.tally.sums.tolist(), strict=True))
    return {label: three for label, three in sums.items() if any(three)}


def test_categories_that_a_corpus_does_not_tell_apart_are_one() -> None:
    allowed = [frozenset({"DISEASE", "SIGN_OR_SYMPTOM"}), frozenset({"MEDICATION"}), frozenset[str]()]
    assert merged(COVERED, allowed, ALL) == {
        "DISEASE": "PROBLEM",
        "SIGN_OR_SYMPTOM": "PROBLEM",
        "MEDICATION": "MEDICATION",
    }
    assert merged(COVERED, allowed, Abilities(frozenset({"DISEASE"}))) == {
        "DISEASE": "PROBLEM",
        "SIGN_OR_SYMPTOM": "PROBLEM",
    }
    own = merged("ABCD", [frozenset("AB"), frozenset("BC")], Abilities(frozenset("CD")))
    assert own == {"A": "A/B/C", "B": "A/B/C", "C": "A/B/C", "D": "D"}


def test_entities_of_a_corpus_that_covers_some_categories() -> None:
    own = document(labelled(0, 4, PROBLEM), labelled(10, 14, "MEDICATION"), covered=COVERED)
    found = record(entity(0, 4, "SIGN_OR_SYMPTOM"), entity(10, 15, "MEDICATION"), entity(20, 24, "AGE"))
    told = measured("bc5cdr", [(own, found)])
    assert set(told) == {"entities", "entities, overlap"}
    assert counts(told["entities"]) == {"MEDICATION": [1, 1, 0], "PROBLEM": [1, 1, 1]}
    assert counts(told["entities, overlap"]) == {"MEDICATION": [1, 1, 1], "PROBLEM": [1, 1, 1]}
    assert not measured("bc5cdr", [(own, found)], Abilities(frozenset({"SOMETHING"})))


def test_maccrobat_has_its_twelve_types_and_problems_as_one() -> None:
    own = document(labelled(0, 4, "DISEASE"), labelled(10, 14, "TIME"), covered=frozenset(CATEGORIES))
    told = measured("maccrobat", [(own, record(entity(0, 4, "SIGN_OR_SYMPTOM"), entity(10, 14, "TIME")))])
    assert counts(told["entities"]) == {"DISEASE": [1, 0, 0], "SIGN_OR_SYMPTOM": [0, 1, 0], "TIME": [1, 1, 1]}
    assert counts(told["entities, problems are one"]) == {"PROBLEM": [1, 1, 1], "TIME": [1, 1, 1]}
    assert counts(told["12 types"]) == {"Disease_disorder": [1, 0, 0], "Sign_symptom": [0, 1, 0]}
    assert len(told["12 types"].tally.labels) == 12


def test_where_nothing_is_covered_recall_alone_is_told() -> None:
    told = measured(
        "phee", [(document(labelled(0, 4, "AGE")), record(entity(0, 4, "AGE"), entity(5, 9, "AGE")))]
    )
    assert told["arguments"].kind == "recall"
    assert counts(told["arguments"]) == {"AGE": [1, 2, 1]}


def test_events_assertions_and_relations() -> None:
    layer = Layer((labelled(0, 4, "DRUG"), labelled(10, 14, "EFFECT")), frozenset({"DRUG", "EFFECT"}))
    own = document(
        judged=(
            labelled(10, 14, "", axes("positivePossible", "neutralPossible", "subject")),
            labelled(30, 34, "", axes("past")),
        ),
        layers={"events": layer},
        relations=(Related("ADVERSE_EFFECT_OF", (10, 14), (0, 4)),),
        related=frozenset({"ADVERSE_EFFECT_OF", "TREATS"}),
    )
    found = record(
        entity(0, 4, "MEDICATION"),
        entity(10, 14, "DISEASE", certainty="neutralPossible"),
        relations=(related("ADVERSE_EFFECT_OF", (10, 14), (0, 4)),),
    )
    told = measured("phee", [(own, found)])
    assert counts(told["events"]) == {"DRUG": [1, 1, 1], "EFFECT": [1, 1, 1]}
    assert counts(told["relations"]) == {"ADVERSE_EFFECT_OF": [1, 1, 1]}
    assert told["relations"].tally.labels == ("ADVERSE_EFFECT_OF",)  # the head knows no TREATS
    assert counts(told["certainty"]) == {"neutralPossible": [1, 1, 1]}
    assert counts(told["graded certainty"]) == {"possible": [1, 1, 1]}
    assert counts(told["temporality"]) == {}
    assert counts(told["temporality, not found is missed"]) == {"past": [1, 0, 0]}
    assert "on 0 found of 1 concepts" in told["temporality"].what
    assert "association" not in told  # nobody is labelled as another's: there is nothing to tell
    assert "all medications" in told["events"].what
    few = {one.task: one for one in measures("phee", [(own, record(*found.entities))], ALL, "related")}
    assert counts(few["events"]) == {"DRUG": [1, 0, 0], "EFFECT": [1, 0, 0]}
    without = measured("phee", [(own, found)], Abilities(frozenset({"MEDICATION"})))
    assert "events" not in without
    assert "relations" not in without


def test_phi_in_spans_and_in_characters() -> None:
    own = document(layers={"phi": Layer((labelled(0, 10, "NAME"), labelled(20, 25, "DATE")), frozenset(PHI))})
    found = record(phi=((0, 10, "NAME"), (18, 24, "LOCATION")))
    told = measured("asq-phi", [(own, found)])
    assert counts(told["phi"]) == {"NAME": [1, 1, 1], "DATE": [1, 0, 0], "LOCATION": [0, 1, 0]}
    characters = told["phi, characters"]
    assert characters.kind == "coverage"
    assert characters.tally.sums.sum(0).tolist() == [15, 16, 14]
    assert not measured("asq-phi", [(own, found)], Abilities(frozenset(CATEGORIES)))


def test_classes_of_several_tasks_are_counted_together_too() -> None:
    texts = [
        document(id="1", classes={"type": frozenset({"letter"}), "specialty": frozenset({"heart", "lung"})}),
        document(id="2", classes={"type": frozenset(), "specialty": frozenset({"lung"})}),
    ]
    found = record(classes=(classified("type", letter=0.9), classified("specialty", heart=0.8, lung=0.1)))
    told = measured("mtsamples", [(text, found) for text in texts])
    assert counts(told["all labels"]) == {"letter": [1, 2, 1], "heart": [1, 2, 1], "lung": [2, 0, 0]}
    assert set(told["all labels"].tally.labels) == {"letter", "report", "heart", "lung"}
    assert counts(told["specialty"]) == {"heart": [1, 2, 1], "lung": [2, 0, 0]}
    some = {
        one.task: one
        for one in measures("c", [(t, found) for t in texts], ALL, fresh=lambda own: own.id == "1")
    }
    assert counts(some["all labels"]) == {"letter": [1, 1, 1], "heart": [1, 1, 1], "lung": [1, 0, 0]}
    assert some["type"].documents == 1  # to the other one its thresholds were fitted
    one = document(classes={"section": frozenset({"plan"})})
    alone = measured("mts-dialog", [(one, record(classes=(classified("section", plan=0.4, exam=0.3),)))])
    assert set(alone) == {"section"}
    (same,) = measures(
        "mts-dialog", [(one, record(classes=(classified("section", plan=0.4),)))], ALL, fresh=lambda _: False
    )
    assert same.documents == 1  # the likeliest label needs no threshold
    assert alone["section"].kind == "accuracy"


def test_answers_of_every_head_with_their_confidences() -> None:
    own = document(
        labelled(0, 4, PROBLEM),
        labelled(30, 34),
        id="7",
        covered=COVERED,
        judged=(labelled(0, 4, "", axes("negative")),),
        relations=(Related("ADVERSE_EFFECT_OF", (0, 4), (10, 14)),),
        related=frozenset({"ADVERSE_EFFECT_OF"}),
        layers={"phi": Layer((labelled(40, 44, "NAME"),), frozenset(PHI))},
        classes={"type": frozenset({"letter", "report"}), "section": frozenset({"plan"})},
    )
    found = record(
        entity(0, 4, "DISEASE", 0.7, certainty="negative"),
        entity(10, 14, "MEDICATION", 0.6),
        entity(20, 24, "AGE", 0.5),  # not covered
        entity(31, 33, "DISEASE", 0.4),  # on what may be anything
        relations=(related("ADVERSE_EFFECT_OF", (0, 4), (10, 14), 0.8),),
        phi=((40, 44, "NAME"), (50, 54, "DATE")),
        classes=(classified("type", letter=0.9, report=0.2), classified("section", plan=0.4, exam=0.6)),
    )
    told: dict[str, list[tuple[float, bool]]] = {}
    for head, answer in answers("c", [(own, found)], ALL):
        assert answer.group == "c/7"
        told.setdefault(head, []).append((answer.confidence, answer.right))
    assert told == {
        "entities": [(0.7, True), (0.6, False)],
        "relations": [(0.8, True)],
        "phi": [(0.9, True), (0.9, False)],
        "certainty": [(0.9, True)],
        "section": [(0.6, False)],
        "type": [(0.9, True), (0.2, True)],
    }
