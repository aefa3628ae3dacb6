"""Parts of notes as examples of sections."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from models.corpora.scheme import Document
from models.corpora.sections import (
    MTS_DIALOG,
    headed,
    mtsamples_sections,
    read_aci_bench,
    read_mts_dialog,
)
from models.sections import CATEGORIES, UNKNOWN

NOTE = """\
CHIEF COMPLAINT

Annual exam.

HISTORY OF PRESENT ILLNESS

Martha has gout.
She denies pain.

ODD TITLE: Nobody knows.

COMPLICATIONS: None.

PLAN

Rest and fluids.
"""
PARTS = [
    ("chief_complaint", "Annual exam."),
    ("history_of_present_illness", "Martha has gout.\nShe denies pain."),
    ("plan", "Rest and fluids."),
]


def table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def dialogue(folder: Path, *rows: tuple[str, str, str]) -> None:
    for name in ("train.csv", "validation.csv"):
        table(
            folder / name,
            [
                {"ID": identity, "section_header": heading, "section_text": text, "dialogue": "Doctor: Hi."}
                for identity, heading, text in rows
            ],
        )


def sections(documents: list[Document]) -> list[tuple[str, str]]:
    return [(*document.classes["section"], document.text) for document in documents]  # type: ignore[misc]


def test_the_classes_of_mts_dialog_are_the_categories_of_sections() -> None:
    assert sorted(MTS_DIALOG.values()) == sorted(set(CATEGORIES) - {UNKNOWN})


def test_mts_dialog_gives_the_part_of_the_note_and_not_what_was_said(tmp_path: Path) -> None:
    dialogue(tmp_path, ("0", "GENHX", " Has gout.\n"), ("7", "FAM/SOCHX", "None."), ("9", "CC", " "))
    documents = list(read_mts_dialog(tmp_path))
    assert sections(documents) == [
        ("history_of_present_illness", "Has gout."), ("family_and_social_history", "None.")
    ] * 2  # fmt: skip
    assert [document.id for document in documents] == [
        "mts-dialog-train-0", "mts-dialog-train-7", "mts-dialog-validation-0", "mts-dialog-validation-7"
    ]  # fmt: skip


def test_mts_dialog_s_unknown_heading_is_named(tmp_path: Path) -> None:
    dialogue(tmp_path, ("0", "ODDHX", "Has gout."))
    with pytest.raises(ValueError, match="ODDHX"):
        list(read_mts_dialog(tmp_path))


def test_what_stands_under_known_headings_comes_without_them() -> None:
    documents = list(headed("c", "n-1", NOTE))
    assert sections(documents) == PARTS
    assert {(document.corpus, document.id) for document in documents} == {("c", "n-1")}


def test_all_parts_of_an_encounter_have_its_id(tmp_path: Path) -> None:
    for name, identity in (("train.csv", "D2N001"), ("valid.csv", "D2N068")):
        table(tmp_path / name, [{"encounter_id": identity, "dialogue": "Hi.", "note": NOTE}])
    documents = list(read_aci_bench(tmp_path))
    assert sections(documents) == PARTS * 2
    assert [document.id for document in documents] == ["D2N001"] * 3 + ["D2N068"] * 3


def test_headings_of_mtsamples_are_found_without_line_breaks(tmp_path: Path) -> None:
    text = "SUBJECTIVE:,  This man has gout.,ALLERGIES: , No known allergies.,COMPLICATIONS:,  None.,"
    row = {"id": "mts-12", "text": text, "specialties": ["Surgery"]}
    (tmp_path / "notes.jsonl").write_text(json.dumps(row), encoding="utf-8")
    documents = list(mtsamples_sections(tmp_path))
    assert sections(documents) == [
        ("history_of_present_illness", "This man has gout."), ("allergy", "No known allergies.")
    ]  # fmt: skip
    assert {document.id for document in documents} == {"mts-12"}
