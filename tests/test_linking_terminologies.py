"""Which terminologies a mention is asked of, whose links come first, and what those that ship say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.linking import Linker
from models.terminology import Concept, Terminology, TerminologyError, read_own
from models.types import Link
from tests.linkers import CONCEPTS, alone, codes, shipped

# --- which terminology, how many ---------------------------------------------------------------------------


def test_each_system_keeps_its_best_and_scores_fall() -> None:
    one = Terminology.of("ONE", [Concept(f"a{n}", "fever", (), (f"x{n}",)) for n in range(5)])
    two = Terminology.of("TWO", [Concept("b", "hot", ("fever",))])
    links = alone(Linker([one, two]), "fever")
    assert [(link.system, link.score) for link in links] == [("ONE", 1.0), ("ONE", 1.0), ("TWO", 0.98)]
    assert len(alone(Linker([one, two], most=1), "fever")) == 1
    assert alone(Linker([two], floor=0.99), "fever") == ()


def test_of_two_terminologies_with_the_same_score_the_first_comes_first() -> None:
    one = Terminology.of("ONE", [Concept("a", "fever")])
    two = Terminology.of("TWO", [Concept("b", "fever")])
    assert [link.system for link in alone(Linker([two, one]), "fever")] == ["TWO", "ONE"]


def test_one_code_of_two_files_is_one_link() -> None:
    one = Terminology.of("X", [Concept("a", "fever")])
    two = Terminology.of("X", [Concept("a", "pyrexia", ("fever",))])
    assert alone(Linker([one, two]), "fever") == (Link("X", "a", "fever", 1.0),)


def test_what_one_terminology_knows_another_does_not_guess() -> None:
    one = Terminology.of("ONE", [Concept("a", "gestational trophoblastic neoplasm")])
    two = Terminology.of("TWO", [Concept("b", "gestational trophoblastic disease")])
    assert [link.system for link in alone(Linker([one]), "gestational trophoblastic disease")] == ["ONE"]
    assert [link.system for link in alone(Linker([one, two]), "gestational trophoblastic disease")] == ["TWO"]


def test_ones_own_terminology_is_asked_for_what_is_like_a_name_that_others_know() -> None:
    house = Terminology.of("HOUSE", [Concept("h", "palmoplantar keratoderma")])
    other = Terminology.of(
        "OTHER", [Concept("o", "palmoplantar keratodermas of the young", ("palmoplantar keratodermia",))]
    )
    links = alone(Linker([house, other]), "palmoplantar keratodermia")
    assert [(link.system, link.score > 0.7) for link in links] == [("OTHER", True), ("HOUSE", True)]
    assert [link.system for link in alone(Linker([other, house]), "palmoplantar keratodermia")] == ["OTHER"]


def test_a_table_says_who_is_asked() -> None:
    one = Terminology.of("ONE", [Concept("a", "fever")], frozenset({"DISEASE"}))
    two = Terminology.of("TWO", [Concept("b", "fever")], frozenset({"MEDICATION"}))
    linker = Linker([one, two], table={"ANATOMY": ["TWO", "ONE"], "DISEASE": []})
    assert [link.system for link in alone(linker, "fevers", "ANATOMY")] == ["TWO", "ONE"]
    assert alone(linker, "fever", "DISEASE") == ()
    assert [link.system for link in alone(linker, "fever", "MEDICATION")] == ["TWO"]
    with pytest.raises(TerminologyError, match="no terminology has the system 'SNOMED'; there are"):
        Linker([one], table={"DISEASE": ["SNOMED"]})


def test_ones_own_terminology_is_asked_before_those_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "HOUSE.csv"
    path.write_text("code,name,aliases,categories\nH1,hypertension,HTN,DISEASE|ANATOMY\n", encoding="utf-8")
    linker = Linker.load([path])
    assert [link.system for link in alone(linker, "hypertension")] == ["HOUSE", "DOID", "ICD10CM"]
    assert codes(alone(linker, "HTN", "ANATOMY")) == ["H1"]
    assert alone(linker, "hypertension", "SIGN_OR_SYMPTOM")[0].system == "DOID"
    assert linker.fingerprint != shipped().fingerprint


# --- what changes links and what does not --------------------------------------------------------------

row = st.tuples(
    st.text("AB", min_size=1, max_size=2),
    st.text("abc ", min_size=1, max_size=6),
    st.lists(st.text("abc", max_size=3), max_size=2).map("|".join),
)


@settings(max_examples=40, deadline=None)
@given(
    st.data(),
    st.lists(row, min_size=1, max_size=6, unique_by=lambda each: each[0]),
    st.text("abc ", max_size=6),
)
def test_the_order_of_rows_changes_no_link(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: list[tuple[str, str, str]], name: str
) -> None:
    found = []
    for version in (rows, data.draw(st.permutations(rows))):
        path = tmp_path_factory.mktemp("own") / "X.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("code", "name", "aliases"), ("Z", "zebra", ""), *version])
        linker = Linker(read_own(path).terminologies)
        found.append((linker.fingerprint, alone(linker, name), alone(linker, rows[0][1])))
    assert found[0] == found[1]


def test_the_fingerprint_changes_with_whatever_changes_links(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Terminology.of("X", CONCEPTS), Terminology.of("X", CONCEPTS[1:])
    prints = [
        Linker([one]).fingerprint,
        Linker([two]).fingerprint,
        Linker([one, two]).fingerprint,
        Linker([two, one]).fingerprint,
        Linker([one], most=2).fingerprint,
        Linker([one], floor=0.4).fingerprint,
        Linker([one], table={"DISEASE": ["X"]}).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert Linker([Terminology.of("X", CONCEPTS[::-1])]).fingerprint == prints[0]
    monkeypatch.setattr("models.linking.linker._RULES", ("*.py",))
    assert Linker([one]).fingerprint not in prints


# --- those that ship -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "name", "link"),
    [
        ("MEDICATION", "aspirin", "DRUGBANK DB00945"),
        ("MEDICATION", "Lasix 40 mg", "DRUGBANK DB00695"),
        ("MEDICATION", "lithium carbonate", "DRUGBANK DB14509"),
        ("MEDICATION", "5-FU", "DRUGBANK DB00544"),
        ("MEDICATION", "Bactrim", "DRUGBANK DB00440"),
        ("DISEASE", "HTN", "DOID DOID:10763"),
        ("DISEASE", "type II diabetes mellitus", "DOID DOID:9352"),
        ("DISEASE", "UTI", "ICD10CM N39.0"),
        ("SIGN_OR_SYMPTOM", "SOB", "ICD10CM R06.02"),
        ("SIGN_OR_SYMPTOM", "seizures", "ICD10CM R56.9"),
        ("SIGN_OR_SYMPTOM", "pain in the left knee", "ICD10CM M25.562"),
    ],
)
def test_what_clinicians_write(category: str, name: str, link: str) -> None:
    best = alone(shipped(), name, category)[0]
    assert f"{best.system} {best.code}" == link
