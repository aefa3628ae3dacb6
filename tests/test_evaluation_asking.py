"""What a checkpoint is asked: only what it has a head for, and identifiers of one's own as such."""

from __future__ import annotations

import pytest

from models.corpora.scheme import Document, Layer, Related, axes
from models.evaluation.abilities import Abilities
from models.evaluation.asking import answered, asked, identifying
from tests.annotated import document, labelled

PROBLEMS = Abilities(frozenset({"DISEASE", "DATE"}))
BOTH = Abilities(frozenset({"DISEASE", "DATE"}), phi=frozenset({"NAME", "DATE"}))


@pytest.mark.parametrize(
    ("own", "can"),
    [
        (document(covered=frozenset({"DISEASE"})), PROBLEMS),
        (document(labelled(0, 4, "DISEASE/AGE")), PROBLEMS),
        (document(judged=(labelled(0, 4, "", axes("past")),)), PROBLEMS),
        (document(layers={"phi": Layer((), frozenset({"NAME"}))}), BOTH),
        (
            document(layers={"events": Layer((), frozenset({"DRUG", "EFFECT"}))}),
            Abilities(frozenset({"DISEASE", "MEDICATION"})),
        ),
        (document(related=frozenset({"OF"})), Abilities(relations=frozenset({"OF"}))),
        (document(code_pairs=frozenset({("OF", "a", "b")})), Abilities(relations=frozenset({"OF"}))),
        (document(classes={"kind": frozenset({"letter"})}), Abilities(tasks={"kind": ("letter",)})),
    ],
)
def test_a_document_is_read_by_whoever_knows_any_of_its_labels(own: Document, can: Abilities) -> None:
    assert answered(own, can)
    assert not answered(own, Abilities(frozenset(), tasks={"other": ("x",)}))


def test_corpora_that_a_checkpoint_cannot_answer_are_left_out_and_why() -> None:
    texts = {
        "a": [document(covered=frozenset({"DISEASE"}))],
        "b": [document(classes={"kind": frozenset({"letter"})})],
        "own": [document(labelled(0, 4, "Pain"), covered=frozenset({"Pain"}))],
    }
    read, why = asked(texts, PROBLEMS)
    assert read == {"a": texts["a"]}
    assert why["b"] == "no head for its labels (kind)"
    assert why["own"].startswith("no head for its labels (Pain); the checkpoint knows DATE, DISEASE")
    many = {"c": [document(covered=frozenset("ABCDEFGH"))]}
    assert asked(many, PROBLEMS)[1]["c"] == "no head for its labels (A, B, C, D, E, F and 2 more)"


def test_ones_own_spans_are_identifiers_where_any_is_nothing_else() -> None:
    covered = frozenset({"NAME", "DATE", "DISEASE"})
    relations = (Related("OF", (0, 4), (5, 9)),)
    own = document(
        labelled(0, 4, "NAME"), labelled(5, 9, "DATE"), labelled(10, 14, "DISEASE"),
        covered=covered, relations=relations,
    )  # fmt: skip
    (told,) = identifying([own], BOTH)
    assert [span.place for span in told.spans] == [(10, 14)]
    assert told.covered == {"DISEASE"}
    assert told.layers["phi"].covered == {"NAME", "DATE"}
    assert [span.place for span in told.layers["phi"].spans] == [(0, 4), (5, 9)]
    assert told.relations == relations
    dates = document(labelled(5, 9, "DATE"), covered=frozenset({"DATE"}))
    assert identifying([dates], BOTH) == [dates]
    assert identifying([own], PROBLEMS) == [own]
    read, _ = asked({"own": [own], "bc5cdr": [own]}, BOTH)
    assert "phi" in read["own"][0].layers
    assert "phi" not in read["bc5cdr"][0].layers
