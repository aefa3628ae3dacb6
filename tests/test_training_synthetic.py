"""Carrier sentences: what they teach, and how concepts are put into them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from models.corpora.scheme import MEDICATION, OPEN, PLAIN, PROBLEM, axes
from models.training.synthetic import SLOT, fill, read_carriers, synthesise
from models.types import AXES

KNOWN = {
    "problem": [("gout", PROBLEM)],
    "drug": [("aspirin", MEDICATION)],
    "procedure": [("lobectomy", frozenset({"THERAPEUTIC_PROCEDURE"}))],
}


def test_rare_assertions_are_taught_by_many_sentences() -> None:
    carriers = read_carriers()
    assert len(carriers) == len(set(carriers)) >= 300
    taught = Counter(
        value
        for carrier in carriers
        for value in {value for slot in SLOT.finditer(carrier) for value in (slot[2] or "").split(",")}
    )
    unusual = {value for values in AXES.values() for value in values[1:]}
    assert set(taught) - {"", "?"} == unusual
    assert {value: taught[value] for value in unusual if taught[value] < 20} == {}


@pytest.mark.parametrize("carrier", read_carriers())
def test_a_carrier_is_well_formed(carrier: str) -> None:
    text, spans = fill(carrier, KNOWN, random.Random(1))
    assert not set("{}|\\") & set(text)
    assert text == text.strip()
    assert spans
    assert all(
        len(left) == 1 for span in spans for left, full in zip(span.axes, OPEN, strict=True) if left != full
    )


def test_a_slot_says_how_its_concept_is_asserted() -> None:
    text, spans = fill("No {problem|negative,other,?}; takes {drug}.", KNOWN, random.Random(1))
    assert text == "No gout; takes aspirin."
    assert [text[span.start : span.end] for span in spans] == ["gout", "aspirin"]
    assert spans[0].axes == axes("negative", "none", "other")
    assert spans[1].axes == PLAIN


def test_a_written_line_break_becomes_one(tmp_path: Path) -> None:
    path = tmp_path / "carriers.tsv"
    path.write_text("# why\nPMH:\\n- {problem|past}\n\n", encoding="utf-8")
    assert read_carriers(path) == ["PMH:\n- {problem|past}"]


def test_places_hold_when_sentences_are_joined() -> None:
    for document in synthesise(200, KNOWN, random.Random(1)):
        for span in document.spans:
            assert document.text[span.start : span.end].lower() in ("gout", "aspirin", "lobectomy")
