"""How right the first link of a gold mention is, and what right means."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from models.corpora.scheme import MEDICATION, PROBLEM, Document, Labelled
from models.evaluation.linking import Accuracy, Ontology, measure, named, read_cross_references
from models.linking import Linker
from models.terminology import Concept, Terminology

DOID = (
    "id\tname\texact_synonyms\tother_synonyms\tis_a\txrefs\n"
    "DOID:1\tdisease\t\t\t\tMSH:D1\n"
    "DOID:2\tcystitis\t\t\tDOID:1\tMSH:D2|NCI:C1|OMIM:100\n"
    "DOID:3\themorrhagic cystitis\t\t\tDOID:2\t\n"
    "DOID:4\tinterstitial cystitis\t\t\tDOID:2\tMSH:D4\n"
    "DOID:5\tvisual epilepsy\t\t\tDOID:1\tMSH:D012640\n"
    "DOID:6\tlone\t\t\t\t\n"
)


@pytest.fixture
def ontology(tmp_path: Path) -> Ontology:
    path = tmp_path / "doid.tsv"
    path.write_text(DOID, encoding="utf-8")
    return read_cross_references(path)


@cache
def linker() -> Linker:
    rows = [line.split("\t") for line in DOID.splitlines()[1:]]
    return Linker([Terminology.of("DOID", [Concept(row[0], row[1]) for row in rows])])


def document(*mentions: tuple[str, str], allowed: frozenset[str] = PROBLEM, identity: str = "1") -> Document:
    text = " ".join(name for name, _ in mentions)
    spans, at = [], 0
    for name, codes in mentions:
        spans.append(Labelled(at, at + len(name), allowed, codes=tuple(codes.split())))
        at += len(name) + 1
    return Document("x", identity, text, tuple(spans), allowed)


def test_cross_references_are_read_as_corpora_write_them(ontology: Ontology) -> None:
    assert ontology.targets["D2"] == ontology.targets["OMIM:100"] == {"DOID:2"}
    assert "NCI:C1" not in ontology.targets
    assert ontology.parents["DOID:3"] == ("DOID:2",)


def test_mistaken_cross_references_can_be_left_out(ontology: Ontology) -> None:
    assert ontology.targets["D012640"] == {"DOID:5"}
    assert "D012640" not in ontology.trusted
    assert ontology.trusted["D2"] == {"DOID:2"}


def test_the_nearest_term_with_cross_references(ontology: Ontology) -> None:
    assert ontology.nearest("DOID:3") == {"DOID:2"}
    assert ontology.nearest("DOID:4") == {"DOID:4"}
    assert ontology.nearest("DOID:6") == frozenset()
    assert ontology.nearest("DOID:none") == frozenset()


@pytest.mark.parametrize(
    ("mentions", "asked", "linked", "right"),
    [
        ([("cystitis", "D2"), ("Cystitis", "D4")], 2, 2, 1),
        ([("cystitis", "D9"), ("cystitis", "")], 0, 0, 0),  # the system has no such code
        ([("nothing like it", "D2")], 1, 0, 0),
        ([("cystitis", "D4 D2")], 1, 1, 1),  # a composite mention: any code will do
        ([("hemorrhagic cystitis", "D2")], 1, 1, 0),
    ],
)
def test_mentions_count_where_the_system_has_their_code(
    ontology: Ontology, mentions: list[tuple[str, str]], asked: int, linked: int, right: int
) -> None:
    found = measure([document(*mentions)], linker(), "DOID", ontology.targets, "DISEASE")
    assert (found.asked, found.linked, found.right) == (asked, linked, right)


def test_a_finer_term_is_right_if_asked_for_unless_it_cross_refers_itself(ontology: Ontology) -> None:
    documents = [document(("hemorrhagic cystitis", "D2"), ("interstitial cystitis", "D2"))]
    assert measure(documents, linker(), "DOID", ontology.targets, "DISEASE").right == 0
    assert measure(documents, linker(), "DOID", ontology.targets, "DISEASE", ontology).right == 1


def test_only_the_category_and_the_system_asked_for_count(ontology: Ontology) -> None:
    drug = document(("cystitis", "D2"), allowed=MEDICATION)
    assert measure([drug], linker(), "DOID", ontology.targets, "DISEASE").asked == 0
    assert measure([drug], linker(), "DOID", ontology.targets, "MEDICATION").right == 1
    assert measure([document(("cystitis", "D2"))], linker(), "ICD", ontology.targets, "DISEASE").linked == 0


def test_counts_are_kept_by_document(ontology: Ontology) -> None:
    documents = [
        document(("cystitis", "D2"), ("cystitis", "D4")),
        document(("nothing", "")),
        document(("cystitis", "D2")),
    ]
    found = measure(documents, linker(), "DOID", ontology.targets, "DISEASE")
    assert found.by_document == ((1, 2), (1, 1))
    assert found.share == pytest.approx(2 / 3)
    assert Accuracy("DOID", 0, 0, 0, ()).share == 0


def test_what_a_code_is_by_the_names_of_its_mentions() -> None:
    names = {
        "aspirin": frozenset({"A"}),
        "asa": frozenset({"A"}),
        "cp": frozenset({"C"}),
        "both": frozenset("AC"),
    }
    documents = [
        document(
            ("Aspirin", "M1"), ("ASA", "M1"), ("aspirin", "M1"), ("CP", "M1"),  # one says otherwise: outvoted
            ("both", "M2"), ("aspirin", "M3 M4"), ("unknown", "M5"),
            allowed=MEDICATION,
        ),
        document(("aspirin", "M6")),  # said to be a problem
    ]  # fmt: skip
    assert named(documents, names, "MEDICATION") == {"M1": frozenset("A"), "M2": frozenset("AC")}
