"""The checkpoint that ships: whole, small, and able to read a note that no corpus has seen."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from models.annotator import Annotator
from models.checkpoint import DEFAULT, open_checkpoint
from models.corpora.scheme import CATEGORIES
from models.types import Annotation

NOTE = """\
CHIEF COMPLAINT: Shortness of breath.

HISTORY OF PRESENT ILLNESS: The patient is a 58-year-old woman with a history of asthma who presented with
worsening dyspnea and wheezing. She denies chest pain, fever, or hemoptysis. Chest x-ray showed no pneumonia.
She was treated with albuterol and prednisone 40 mg daily. Possible pulmonary embolism.

FAMILY HISTORY: Mother with breast cancer.

PLAN: Continue prednisone. Return if fever develops.
"""
LARGEST = 30_000_000


SHORTHAND = """\
71M with PMH of HTN, HLD, CAD s/p DES, COPD on home O2, DM2, GERD presents with SOB.
Continue Lasix 40 mg IV BID and Coumadin, hold lisinopril. HIV on Biktarvy.
"""


@pytest.fixture(scope="module")
def annotator() -> Iterator[Annotator]:
    with Annotator.load(device="cpu") as annotator:
        yield annotator


@pytest.fixture(scope="module")
def record(annotator: Annotator) -> Annotation:
    return annotator.annotate(NOTE)


def test_it_is_whole_and_small() -> None:
    checkpoint = open_checkpoint()
    assert (checkpoint.name, dict(checkpoint.layers)["entities"]) == ("clinical-mini", CATEGORIES)
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= LARGEST


def test_its_manifest_names_sources_licences_and_measured_figures() -> None:
    manifest = msgspec.json.decode((DEFAULT / "manifest.json").read_bytes())
    assert manifest["license"] == "Apache-2.0"
    assert all(source["licence"] and source["url"].startswith("https://") for source in manifest["sources"])
    assert {"bc5cdr", "ncbi-disease", "maccrobat", "negex"} <= {
        t["corpus"] for t in manifest["figures"]["tables"]
    }
    card = (DEFAULT / "README.md").read_text(encoding="utf-8")
    for source in manifest["sources"]:
        assert source["licence"] in card


def test_its_figures_reach_what_was_promised() -> None:
    manifest = msgspec.json.decode((DEFAULT / "manifest.json").read_bytes())
    f1 = {
        (table["corpus"], table["task"], score["label"]): score["f1"]
        for table in reversed(manifest["figures"]["tables"])
        for score in (*table["scores"], table["micro"] | {"label": "all"})
    }
    assert f1["bc5cdr", "entities", "MEDICATION"] >= 0.87
    assert f1["bc5cdr", "entities", "PROBLEM"] >= 0.78
    assert f1["maccrobat", "entities", "all"] >= 0.56
    assert f1["negex", "certainty", "negative"] >= 0.88


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("dyspnea", {"SIGN_OR_SYMPTOM"}),
        ("wheezing", {"SIGN_OR_SYMPTOM"}),
        ("asthma", {"DISEASE", "SIGN_OR_SYMPTOM"}),
        ("pneumonia", {"DISEASE", "SIGN_OR_SYMPTOM"}),
        ("breast cancer", {"DISEASE", "SIGN_OR_SYMPTOM"}),
        ("albuterol", {"MEDICATION"}),
        ("prednisone", {"MEDICATION"}),
        ("58-year-old", {"AGE"}),
        ("woman", {"SEX"}),
    ],
)
def test_it_finds_what_a_reader_would(record: Annotation, text: str, categories: set[str]) -> None:
    found = [entity for entity in record.entities if entity.text == text]
    assert found
    assert all(entity.category in categories for entity in found)


@pytest.mark.parametrize(
    ("text", "axis", "value"),
    [
        ("fever", "certainty", "negative"),
        ("hemoptysis", "certainty", "negative"),
        ("pneumonia", "certainty", "negative"),
        ("wheezing", "certainty", "positive"),
        ("pulmonary embolism", "certainty", "neutralPossible"),
        ("asthma", "temporality", "past"),
        ("breast cancer", "association", "other"),
        ("prednisone", "association", "subject"),
    ],
)
def test_it_judges_as_a_reader_would(record: Annotation, text: str, axis: str, value: str) -> None:
    first = next(entity for entity in record.entities if entity.text == text)
    assert getattr(first.assertion, axis) == value


def test_the_shorthand_of_notes_is_read(annotator: Annotator) -> None:
    found = {entity.text for entity in annotator.annotate(SHORTHAND).entities}
    assert {"HTN", "HLD", "CAD", "COPD", "DM2", "GERD", "SOB", "HIV"} <= found
    assert {"Lasix", "Coumadin", "lisinopril"} <= found


def test_what_might_happen_is_hypothetical(record: Annotation) -> None:
    *_, last = (entity for entity in record.entities if entity.text == "fever")
    assert last.assertion.conditionality == "hypothetical"


def test_every_entity_is_text_of_the_note(record: Annotation) -> None:
    assert len(record.entities) >= 12
    for entity in record.entities:
        assert NOTE[entity.span.start : entity.span.end] == entity.text
