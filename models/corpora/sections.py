"""Parts of notes without their headings, each with the section that it is: for text that has no headings.

MTS-Dialog says what each part is; of ACI-BENCH and MTSamples the headings do, which are weak labels.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from models.corpora.mtsamples import rows
from models.corpora.scheme import Document
from models.sections import UNKNOWN, find_sections, is_known

MTS_DIALOG = {
    "CC": "chief_complaint", "GENHX": "history_of_present_illness",
    "FAM/SOCHX": "family_and_social_history", "PASTMEDICALHX": "past_medical_history",
    "PASTSURGICAL": "past_surgical_history", "MEDICATIONS": "medications", "ALLERGY": "allergy",
    "ROS": "review_of_systems", "EXAM": "exam", "LABS": "labs", "IMAGING": "imaging",
    "ASSESSMENT": "assessment", "DIAGNOSIS": "diagnosis", "DISPOSITION": "disposition", "PLAN": "plan",
    "EDCOURSE": "emergency_department_course", "IMMUNIZATIONS": "immunizations",
    "GYNHX": "gynecologic_history", "PROCEDURES": "procedures", "OTHER_HISTORY": "other_history",
}  # fmt: skip
"""Its 20 headings, spelled out."""
FEWEST_WORDS = 2
"""What is shorter ("None.") may stand under any heading."""
_MARGIN = " \t\r\n,"


def read_mts_dialog(folder: Path) -> Iterator[Document]:
    """MTS-Dialog: a part of a note a row, without its dialogue. `classes`: "section", one of the 20.

    Raises `ValueError` for a heading that is none of them.
    """
    for path, row in _tables(folder, ("train.csv", "validation.csv")):
        heading, text = row["section_header"], row["section_text"].strip()
        if heading not in MTS_DIALOG:
            raise ValueError(f"{path}: no section is called {heading!r}")
        if text:
            section = frozenset({MTS_DIALOG[heading]})
            yield Document(
                "mts-dialog", f"mts-dialog-{path.stem}-{row['ID']}", text, classes={"section": section}
            )


def read_aci_bench(folder: Path) -> Iterator[Document]:
    """ACI-BENCH: every part of a visit's note under a known heading; all have the encounter's id."""
    for _, row in _tables(folder, ("train.csv", "valid.csv")):
        yield from headed("aci-bench", row["encounter_id"], row["note"])


def mtsamples_sections(folder: Path) -> Iterator[Document]:
    """MTSamples: every part of a note under a known heading; all have the note's id."""
    for row in rows(folder):
        yield from headed("mtsamples", row["id"], row["text"])


def headed(corpus: str, identity: str, note: str) -> Iterator[Document]:
    """What stands under the headings of a note that `models.sections` knows, without them, in order.

    `classes`: "section", the category of the heading. Parts of a word or none are left out.
    """
    for section in find_sections(note):
        body = note[section.body : section.span.end].strip(_MARGIN)
        known = section.category != UNKNOWN and is_known(section.title)
        if known and len(body.split()) >= FEWEST_WORDS:
            yield Document(corpus, identity, body, classes={"section": frozenset({section.category})})


def _tables(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, dict[str, str]]]:
    for name in names:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield folder / name, row
