"""What the readers make of each corpus, on a few lines in its format."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.corpora.folders import read_all
from models.corpora.phee import ARGUMENTS
from models.corpora.scheme import (
    ANYTHING,
    CATEGORIES,
    OPEN,
    Axes,
    Document,
    Labelled,
    axes,
    held_out,
    without_overlaps,
)
from models.training.dictionary import names_for, read_vocabularies, shorthand, usable, write_dictionary
from models.training.synthetic import concepts, read_carriers, synthesise
from tests.corpora import data_root


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[Document]]:
    root = data_root(tmp_path_factory.mktemp("data"))
    found: dict[tuple[str, str], list[Document]] = {}
    for document in read_all(root, ["bc5cdr", "ncbi-disease", "maccrobat", "phee", "negex"]):
        found.setdefault((document.corpus, document.id), []).append(document)
    return found


Documents = dict[tuple[str, str], list[Document]]


def said(document: Document, spans: tuple[Labelled, ...]) -> list[tuple[str, str]]:
    return [(document.text[s.start : s.end], "/".join(sorted(s.allowed)) or "?") for s in spans]


def pinned(values: Axes) -> list[str]:
    """The values of the axes that are labelled."""
    return ["/".join(sorted(left)) for left, full in zip(values, OPEN, strict=True) if left != full]


def test_bc5cdr_leaves_open_which_kind_of_problem_it_is(documents: Documents) -> None:
    (document,) = documents["bc5cdr", "1"]
    problem = "DISEASE/SIGN_OR_SYMPTOM"
    assert said(document, document.spans) == [
        ("Aspirin", "MEDICATION"), ("pain", problem), ("aspirin", "MEDICATION"), ("chest pain", problem)
    ]  # fmt: skip
    assert document.covered == {"DISEASE", "SIGN_OR_SYMPTOM", "MEDICATION"}


def test_ncbi_covers_problems_only(documents: Documents) -> None:
    for identity in ("5", "6"):
        (document,) = documents["ncbi-disease", identity]
        assert [text.lower() for text, _ in said(document, document.spans)] == ["gout"]
        assert document.covered == {"DISEASE", "SIGN_OR_SYMPTOM"}


def test_maccrobat_s_types_and_what_is_unknown_in_it(documents: Documents) -> None:
    (document,) = documents["maccrobat", "9"]
    assert said(document, document.spans)[:7] == [
        ("60-year-old", "AGE"), ("man", "SEX"), ("gout", "DISEASE"), ("pain", "SIGN_OR_SYMPTOM"),
        ("mother", "?"), ("asthma", "DISEASE"), ("Aspirin", "MEDICATION"),
    ]  # fmt: skip
    assert said(document, document.spans)[7:] == [
        (document.text[89:111], "?"),  # in two pieces
        ("Ex-smoker", "?"),  # history that is not labelled any further
    ]
    assert document.covered == set(CATEGORIES)


def test_maccrobat_s_history_and_family(documents: Documents) -> None:
    (document,) = documents["maccrobat", "9"]
    by_text = {document.text[s.start : s.end]: pinned(s.axes) for s in document.spans}
    assert by_text["gout"] == ["positive/positivePossible", "none", "subject", "past"]  # a hedge is near
    assert by_text["pain"] == ["negative", "none", "subject", "current"]
    assert by_text["asthma"] == ["none", "other"]
    assert by_text["Aspirin"] == ["positive", "none", "subject", "current"]
    assert by_text["60-year-old"] == ["positive", "none", "subject", "current"]  # as any age


def test_phee_names_arguments_and_judges_effects(documents: Documents) -> None:
    (document,) = documents["phee", "77"]
    assert said(document, document.spans) == [
        ("Warfarin", "MEDICATION"), ("severe", "SEVERITY"), ("man", "SEX")
    ]  # fmt: skip
    assert document.covered == ARGUMENTS
    assert said(document, document.judged) == [("bleeding", "?")]
    assert pinned(document.judged[0].axes) == ["neutralPossible/positivePossible", "subject"]
    (negated,) = documents["phee", "78"]
    assert pinned(negated.judged[0].axes) == ["negative/negativePossible", "subject"]


def test_negex_capitals_are_taken_back(documents: Documents) -> None:
    first, gout, chf = documents["negex", "negex-1"]
    assert first.text == "Denies chest  pain today."
    assert gout.text == "Gout in the past."
    assert chf.text == "Possible CHF, treated as CHF."  # written so where it is no concept
    assert [pinned(d.judged[0].axes) for d in (first, gout, chf)] == [
        ["negative", "none", "subject", "current"],
        ["positive", "none", "subject", "past"],
        ["neutralPossible/positive/positivePossible", "none", "other", "current"],
    ]


def test_negex_not_particular_is_hypothetical_and_what_is_not_there_is_left_out(documents: Documents) -> None:
    (fever,) = documents["negex", "negex-2"]
    assert pinned(fever.judged[0].axes) == ["positive", "hypothetical", "subject"]


def test_every_span_lies_in_its_text(documents: Documents) -> None:
    for document in (d for group in documents.values() for d in group):
        for span in (*document.spans, *document.judged):
            text = document.text[span.start : span.end]
            assert text
            assert text == text.strip()


def test_texts_do_not_show_in_a_repr(documents: Documents) -> None:
    (document,) = documents["maccrobat", "9"]
    assert "gout" not in repr(document)


def test_known_and_longer_spans_win() -> None:
    spans = [
        Labelled(0, 9, ANYTHING), Labelled(0, 4, frozenset({"DISEASE"})),
        Labelled(2, 8, frozenset({"ANATOMY"})), Labelled(9, 12, ANYTHING),
    ]  # fmt: skip
    assert [(s.start, s.end) for s in without_overlaps(spans)] == [(2, 8), (9, 12)]


def test_holding_out_is_by_document_stable_and_of_the_share_asked_for() -> None:
    kept = [n for n in range(4000) if held_out(str(n), "seed", 0.15)]
    assert kept == [n for n in range(4000) if held_out(str(n), "seed", 0.15)]
    assert kept != [n for n in range(4000) if held_out(str(n), "other", 0.15)]
    assert 0.13 < len(kept) / 4000 < 0.17
    assert held_out("10023892", "clinical-mini-1", 0.15) == held_out("10023892", "clinical-mini-1", 0.15)


def test_axes_refuse_what_is_no_value() -> None:
    with pytest.raises(ValueError, match="maybe"):
        axes("maybe")


def test_the_dictionary_keeps_plain_names_once(tmp_path: Path) -> None:
    names = usable(read_vocabularies(data_root(tmp_path)))
    assert names == [
        ("disease", "cholera"), ("disease", "gout"), ("disease", "gouty arthritis"), ("disease", "podagra"),
        ("disease", "typhoid fever"), ("drug", "acetylsalicylic acid"),
        ("drug", "aspirin"), ("drug", "warfarin"),
    ]  # fmt: skip
    write_dictionary(names, tmp_path / "a.gz")
    write_dictionary(names, tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_the_dictionary_has_the_shorthand_of_clinicians(tmp_path: Path) -> None:
    short = set(shorthand())
    assert {("disease", name) for name in ("HTN", "CAD", "CKD", "DM2", "PE")} <= short
    assert {("drug", "lasix"), ("drug", "coumadin"), ("drug", "CBZ")} <= short
    wrong = {("disease", name) for name in ("AS", "HA", "APC", "abd pain", "htn")}
    assert not wrong & short
    root = data_root(tmp_path)
    assert names_for(root) == sorted({*usable(read_vocabularies(root)), *short})


def test_every_carrier_can_be_filled() -> None:
    import random

    known = concepts(
        [
            Document(
                "c", "1", "gout aspirin lobectomy",
                (
                    Labelled(0, 4, frozenset({"DISEASE"})),
                    Labelled(5, 12, frozenset({"MEDICATION"})),
                    Labelled(13, 22, frozenset({"THERAPEUTIC_PROCEDURE"})),
                ),
            )
        ]
    )  # fmt: skip
    assert len(read_carriers()) > 150
    documents = synthesise(300, known, random.Random(1))
    for document in documents:
        assert "{" not in document.text
        for span in document.spans:
            assert document.text[span.start : span.end].lower() in ("gout", "aspirin", "lobectomy")
            assert span.axes != OPEN
    assert documents == synthesise(300, known, random.Random(1))
