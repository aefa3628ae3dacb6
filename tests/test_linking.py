"""Mentions to codes. Most cases ask a small terminology of their own; some, the ones that ship."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.linking import Linker
from models.linking.linker import CACHED, LONGEST
from models.terminology import Concept, Terminology, TerminologyError, read_own
from models.types import Link, Span

CONCEPTS = [
    Concept("K1", "kidney disease", ("nephropathy",), ("bad kidneys",), ("nephrotoxic",)),
    Concept("K2", "renal cell carcinoma", ("clear cell carcinoma of kidney",)),
    Concept("C1", "breast cancer"),
    Concept("C2", "ovarian cancer", ("ovarian carcinoma",)),
    Concept("D1", "type 2 diabetes mellitus", (), ("DM2",)),
    Concept("D2", "diabetes mellitus", ("diabetes",), ("DM",)),
    Concept("M1", "dermatomyositis"),
    Concept("P1", "Parkinson's disease"),
    Concept("H1", "hypercalcemia"),
    Concept("N1", "rheumatoid nodule"),
    Concept("S1", "seizure disorder"),
    Concept("Y1", "myocarditis"),
    Concept("L1", "palmoplantar keratosis"),
    Concept("Q1", "hyperpyrexia", (), ("hot disease",)),
]
DRUGS = [
    Concept("A", "Metoprolol"),
    Concept("B", "Glutamic acid"),
    Concept("C", "Lisinopril"),
    Concept("D", "Hydrochlorothiazide", (), ("HCTZ",)),
    Concept("E", "Lithium carbonate"),
    Concept("F", "Calcium chloride"),
    Concept("G", "Corticosterone"),
    Concept("H", "Doxorubicin", (), ("adriamycin",)),
]


@cache
def small() -> Linker:
    return Linker(
        [
            Terminology.of("PROBLEMS", CONCEPTS, frozenset({"DISEASE", "SIGN_OR_SYMPTOM"})),
            Terminology.of("DRUGS", DRUGS, frozenset({"MEDICATION"})),
        ]
    )


@cache
def shipped() -> Linker:
    return Linker.load()


def alone(linker: Linker, name: str, category: str = "DISEASE") -> tuple[Link, ...]:
    """Links of a note that is a mention and nothing else."""
    return linker.link(name, [(Span(0, len(name)), category)])[0]


def codes(links: Sequence[Link]) -> list[str]:
    return [link.code for link in links]


# --- from the surest way to the least sure -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "score"),
    [
        ("kidney disease", "K1", 1.0),
        ("KIDNEY  Disease", "K1", 1.0),
        ("Nephropathy", "K1", 0.98),
        ("bad kidneys", "K1", 0.95),
        ("nephrotoxic", "K1", 0.85),
        ("kidney diseases", "K1", 0.97),
        ("carcinoma, renal cell", "K2", 0.97),
        ("diabetes mellitus type II", "D1", 0.97),
        ("renal disorder", "K1", 0.9),
        ("Parkinsons", "P1", 0.9),
        ("severe kidney disease", "K1", 0.75),
        ("renal damage", "K1", 0.75),
        ("eosinophilic myocarditis", "Y1", 0.679),
    ],
)
def test_a_mention_by_the_ways_in_which_it_may_be_a_name(name: str, code: str, score: float) -> None:
    best = alone(small(), name)[0]
    assert (best.system, best.code, best.score) == ("PROBLEMS", code, score)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("metoprolol succinate", "A"),
        ("Metoprolol 25 mg", "A"),
        ("IV metoprolol tartrate drip", "A"),
        ("glutamate", "B"),
        ("lithium carbonate", "E"),
        ("calcium chloride", "F"),
        ("metoprolal", "A"),
        ("pulse doxorubicin three times", "H"),
    ],
)
def test_drugs_by_their_salts_doses_and_slips(name: str, code: str) -> None:
    assert codes(alone(small(), name, "MEDICATION"))[:1] == [code]


def test_a_dose_takes_nothing_from_a_score() -> None:
    for dosed in ("metoprolol 25 mg", "metoprolol 12.5mg/day", "2 units metoprolol"):
        assert alone(small(), dosed, "MEDICATION")[0].score == 0.97


def test_links_show_the_preferred_name() -> None:
    assert alone(small(), "nephropathy")[0] == Link("PROBLEMS", "K1", "kidney disease", 0.98)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("nodule", "DISEASE"),  # rheumatoid nodule says more
        ("palmoplantar hyperkeratosis", "DISEASE"),  # looks alike, but half of the name is missing
        ("hypocalcemia", "DISEASE"),  # the opposite looks alike
        ("seizures", "SIGN_OR_SYMPTOM"),  # no disorder
        ("disease", "DISEASE"),
        ("hot disorder", "DISEASE"),  # of related names nothing is left out
        ("corticosteroids", "MEDICATION"),  # a class of drugs, no drug
        ("calcium channel blocker", "MEDICATION"),
        ("", "DISEASE"),
        ("?!", "DISEASE"),
        ("kidney disease", "ANATOMY"),  # nobody covers it
        ("kidney disease", "MEDICATION"),
        ("k" * (LONGEST + 1), "DISEASE"),
    ],
)
def test_what_is_no_name_gets_no_link(name: str, category: str) -> None:
    assert alone(small(), name, category) == ()


def test_of_several_things_named_at_once_each_is_linked() -> None:
    assert codes(alone(small(), "breast and ovarian cancer")) == ["C1", "C2"]
    assert codes(alone(small(), "lisinopril/HCTZ", "MEDICATION")) == ["C", "D"]


# --- what the note says ----------------------------------------------------------------------------------


def in_note(text: str, name: str, category: str = "DISEASE") -> tuple[Link, ...]:
    at = text.rindex(name)
    return small().link(text, [(Span(at, at + len(name)), category)])[0]


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        ("Renal cell carcinoma (RCC) in 2019. Now RCC again.", "RCC", "K2"),
        ("Dermatomyositis (DM). Family: DM.", "DM", "M1"),  # elsewhere it means diabetes
        ("Two kidney diseases (KDs), the KDs of old.", "KD", "K1"),
        ("Breast cancer (BC): metastatic BC.", "metastatic BC", "C1"),
        ("renal cell carcinoma (RCC) again", "renal cell carcinoma (RCC)", "K2"),
    ],
)
def test_abbreviations_mean_what_the_note_says(text: str, name: str, code: str) -> None:
    assert codes(in_note(text, name))[:1] == [code]


def test_an_abbreviation_of_a_mention_needs_no_letters() -> None:
    text = "Given adriamycin (XYZ). XYZ was stopped."
    spans = [Span(6, 16), Span(18, 21), Span(24, 27)]
    links = small().link(text, [(span, "MEDICATION") for span in spans])
    assert [codes(each) for each in links] == [["H"], ["H"], ["H"]]
    assert links[2][0].score < links[0][0].score


def test_what_the_note_says_counts_before_what_a_terminology_knows_better() -> None:
    spans = [Span(0, 14), Span(16, 18)]
    links = small().link("renal disorder (DM)", [(span, "DISEASE") for span in spans])
    assert codes(alone(small(), "DM")) == ["D2"]
    assert [codes(each) for each in links] == [["K1"], ["K1"]]


def test_without_a_definition_an_abbreviation_means_what_the_terminology_says() -> None:
    assert codes(in_note("Known DM2.", "DM2")) == ["D1"]


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


def test_importing_reads_no_terminology_and_no_torch() -> None:
    code = (
        "import gc, sys; from models.linking import Linker\n"
        "made = sum(type(each).__name__ == 'Terminology' for each in gc.get_objects())\n"
        "print('torch' in sys.modules, made)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "0"]


# --- always --------------------------------------------------------------------------------------------

anything = st.text(st.characters(), max_size=40) | st.text("kidney diseas()[]/,RC'\ud800\x00é ", max_size=40)
mentions = st.lists(
    st.tuples(
        st.builds(Span, st.integers(-9, 60), st.integers(-9, 60)),
        st.sampled_from(["DISEASE", "MEDICATION", "ANATOMY", "SIGN_OR_SYMPTOM", ""]),
    ),
    max_size=5,
)


@settings(deadline=None)
@given(anything, mentions)
def test_any_text_and_spans_give_links_that_can_be_relied_on(
    text: str, asked: list[tuple[Span, str]]
) -> None:
    found = small().link(text, asked)
    assert len(found) == len(asked)
    for links in found:
        assert len(links) <= 3
        assert all(0.5 <= link.score <= 1 for link in links)
        assert list(links) == sorted(links, key=lambda link: -link.score)
        assert len({(link.system, link.code) for link in links}) == len(links)
    assert small().link(text, asked) == found


@settings(max_examples=20, deadline=None)
@given(anything)
def test_those_that_ship_take_any_mention(text: str) -> None:
    for category in ("DISEASE", "MEDICATION"):
        assert alone(shipped(), text, category) == alone(shipped(), text, category)


def test_a_mention_of_a_million_characters_gets_no_link() -> None:
    text = "kidney disease (" * 70_000
    assert small().link(text, [(Span(0, len(text)), "DISEASE"), (Span(0, 14), "DISEASE")])[1]


def test_threads_and_a_fresh_linker_give_the_same_links() -> None:
    names = [concept.name + suffix for concept in CONCEPTS for suffix in ("", "s", " type 2", "x")]
    expected = [alone(Linker([Terminology.of("X", CONCEPTS)]), name) for name in names]
    shared = Linker([Terminology.of("X", CONCEPTS)])
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: alone(shared, name), names * 20)) == expected * 20


def test_mentions_are_remembered_within_bounds() -> None:
    linker = Linker([Terminology.of("X", CONCEPTS)])
    for number in range(50):
        alone(linker, f"nothing {number}")
    assert linker._named.cache_info().currsize == 50
    assert linker._named.cache_info().maxsize == CACHED
    assert repr(linker) == "Linker(['X'])"


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
