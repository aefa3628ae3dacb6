"""Mentions to codes: each way to a name, what the note says, what always holds. Most ask a small linker."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.linking import Linker
from models.linking.linker import CACHED, LONGEST
from models.terminology import Terminology
from models.types import Link, Span
from tests.linkers import CONCEPTS, alone, codes, shipped, small

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


def test_importing_reads_no_terminology_and_no_torch() -> None:
    code = (
        "import gc, sys; from models.linking import Linker\n"
        "made = sum(type(each).__name__ == 'Terminology' for each in gc.get_objects())\n"
        "print('torch' in sys.modules, made)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "0"]
