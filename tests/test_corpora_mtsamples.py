"""MTSamples: its labels as two tasks, and its line breaks put back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.corpora.mtsamples import NOTE_TYPES, SPECIALTIES, TASKS, read_mtsamples, restored
from models.sections import find_sections


def written(folder: Path, name: str, *labels: list[str]) -> None:
    lines = [
        json.dumps({"id": f"mts-{name}-{number}", "text": "Cough.", "specialties": given})
        for number, given in enumerate(labels)
    ]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_labels_are_parted_and_their_union_is_what_was_given(tmp_path: Path) -> None:
    given_labels = ["Surgery", "Urology", "Nephrology"]
    written(tmp_path, "notes", given_labels, ["Letters"], ["Dentistry"])
    documents = list(read_mtsamples(tmp_path))
    assert [document.id for document in documents] == ["mts-notes-0", "mts-notes-1", "mts-notes-2"]
    assert documents[0].classes == {
        "note_type": frozenset({"Surgery"}), "specialty": frozenset({"Urology", "Nephrology"})
    }  # fmt: skip
    assert frozenset().union(*documents[0].classes.values()) == set(given_labels)
    assert documents[1].classes == {"note_type": frozenset({"Letters"}), "specialty": frozenset()}
    assert documents[2].classes == {"note_type": frozenset(), "specialty": frozenset({"Dentistry"})}
    assert documents[0].text == "Cough."
    assert documents[0].spans == ()


def test_every_file_of_the_folder_is_read(tmp_path: Path) -> None:
    written(tmp_path, "b", ["Surgery"])
    written(tmp_path, "a", ["Radiology"])
    assert [document.id for document in read_mtsamples(tmp_path)] == ["mts-a-0", "mts-b-0"]


def test_a_label_of_neither_task_is_named(tmp_path: Path) -> None:
    written(tmp_path, "notes", ["Surgery", "Alchemy"])
    with pytest.raises(ValueError, match="Alchemy"):
        list(read_mtsamples(tmp_path))


def test_there_are_forty_labels_each_of_one_task() -> None:
    assert len(set(NOTE_TYPES) | set(SPECIALTIES)) == len(NOTE_TYPES) + len(SPECIALTIES) == 40
    assert list(TASKS) == ["note_type", "specialty"]


@pytest.mark.parametrize(
    ("lost", "back"),
    [
        ("HPI:,  Cough.,PLAN: , Rest.", "HPI: Cough.\n\nPLAN: Rest."),
        ("EXAM:,Lungs:  Clear.,Neck:  Supple.", "EXAM:\nLungs:  Clear.\nNeck:  Supple."),
        ("PLAN:,1.  Rest.,2.  Fluids.", "PLAN:\n1.  Rest.\n2.  Fluids."),
        ("DIAGNOSES,1.  Gout,2.  Asthma", "DIAGNOSES\n1.  Gout\n2.  Asthma"),
        ("COURSE:  ,This man fell.,He was seen.", "COURSE: This man fell.\nHe was seen."),
        ("PREOPERATIVE DIAGNOSIS,Airway obstruction.", "PREOPERATIVE DIAGNOSIS\nAirway obstruction."),
        ("Pain eased. PLAN: Rest.", "Pain eased.\n\nPLAN: Rest."),
        ("SIGNS:,* Pain.,* Fever.", "SIGNS:\n* Pain.\n* Fever."),
    ],
)
def test_lost_line_breaks_come_back(lost: str, back: str) -> None:
    assert restored(lost) == back


@pytest.mark.parametrize(
    "kept",
    [
        "Fever, chills, and cough; platelets 234,000, then 12,000.",
        "PT,INR and L4,L5 were looked at.",
        'The "pop," he said, was loud.',
        "Seen on June 22, 2007, in clinic.",
    ],
)
def test_commas_of_sentences_and_figures_stay(kept: str) -> None:
    assert restored(kept) == kept


def test_headings_are_found_in_what_came_back() -> None:
    text = restored(
        "SUBJECTIVE:,  Cough.,MEDICATIONS: , None now.,ALLERGIES: , She has none.,PLAN:,1.  Rest."
    )
    assert [section.title for section in find_sections(text)] == [
        "SUBJECTIVE", "MEDICATIONS", "ALLERGIES", "PLAN"
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from(["HPI:", ",", " ", "Cough.", "1.", "Plan", "é", "*", '"', "\n"])).map("".join)
)
def test_only_commas_and_white_space_change(text: str) -> None:
    def words(of: str) -> str:
        return "".join(of.replace(",", " ").split())

    back = restored(text)
    assert words(back) == words(text)
    assert restored(back) == back
