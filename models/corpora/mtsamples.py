"""MTSamples: transcribed notes, each with labels that say what kind of note it is, and of which specialty.

The site keeps both in one list of 40. Here they are two tasks whose labels keep the site's spelling, so that
the union of a note's labels under both is what the site gave it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.corpora.scheme import Document

NOTE_TYPES = (
    "Surgery", "Consult - History and Phy.", "Radiology", "SOAP / Chart / Progress Notes",
    "Discharge Summary", "Emergency Room Reports", "Office Notes", "Letters", "IME-QME-Work Comp etc.",
    "Autopsy", "Lab Medicine - Pathology",
)  # fmt: skip
"""Kinds of document: "Surgery" are operative notes, whose specialty has a label of its own; "Radiology" are
reports of imaging, "Lab Medicine - Pathology" of pathology, "IME-…" of independent medical examinations."""
SPECIALTIES = (
    "Cardiovascular / Pulmonary", "Orthopedic", "Gastroenterology", "Neurology", "General Medicine",
    "Obstetrics / Gynecology", "Urology", "ENT - Otolaryngology", "Neurosurgery", "Hematology - Oncology",
    "Nephrology", "Ophthalmology", "Pediatrics - Neonatal", "Pain Management", "Psychiatry / Psychology",
    "Podiatry", "Cosmetic / Plastic Surgery", "Dentistry", "Dermatology", "Endocrinology", "Bariatrics",
    "Sleep Medicine", "Physical Medicine - Rehab", "Rheumatology", "Diets and Nutritions",
    "Hospice - Palliative Care", "Chiropractic", "Speech - Language", "Allergy / Immunology",
)  # fmt: skip
TASKS: dict[str, tuple[str, ...]] = {"note_type": NOTE_TYPES, "specialty": SPECIALTIES}
"""By task, its labels."""

_TASK_OF = {label: task for task, labels in TASKS.items() for label in labels}

_ITEM = r"(?:\d{1,2}|[a-zA-Z])[.)][ ]|[*-][ ]"
_TITLE = r"[A-Z][A-Za-z0-9 /&()'’-]{1,60}:"
_AFTER_COLON = re.compile(r":[ ]*,[ ,]*")
_OPENING = re.compile(rf"{_ITEM}|{_TITLE}")
_AFTER_END = re.compile(r"(?<=[.!?;)\"”*%])[ ]*,(?:[ ]*,)*(?=[A-Z\"“(]|(?:\d{1,2}|[a-z])[.)][ ]|[*-])")
_AFTER_WORD = re.compile(rf"(?<=[A-Za-z0-9]),+(?={_TITLE}|{_ITEM})|(?<=[A-Z]{{4}}),(?=[A-Z][a-z])")
"""Commas without a space after them, where a line or a list's item begins."""
_INLINE = re.compile(r"(?<=[.?!])[ ]+(?=[A-Z][A-Z /&-]{3,60}:)")
_HEADING = re.compile(r"\n+(?=[A-Z][A-Z0-9 /&()-]{3,60}(?::|\n))")


def read_mtsamples(folder: Path) -> Iterator[Document]:
    """Every note of the folder's `.jsonl` files, as it was published: see `restored` for its line breaks.

    `classes`: "note_type" and "specialty", each with any number of labels, none included.
    Raises `ValueError` for a label that neither task has.
    """
    for row in rows(folder):
        yield Document("mtsamples", row["id"], row["text"], classes=_classes(row["specialties"]))


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of all `.jsonl` files of the folder: "id", "text", "specialties" and others."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line:
                yield json.loads(line)


def _classes(labels: list[str]) -> dict[str, frozenset[str]]:
    unknown = sorted(set(labels) - _TASK_OF.keys())
    if unknown:
        raise ValueError(f"MTSamples labels that are neither a note type nor a specialty: {unknown}")
    return {task: frozenset(label for label in labels if _TASK_OF[label] == task) for task in TASKS}


def restored(text: str) -> str:
    """The text with plausible line breaks where commas stand for lost ones: "HPI:,  Cough.,PLAN: , Rest."
    becomes "HPI: Cough.\\n\\nPLAN: Rest.", with an empty line before headings in capitals.

    Places in the text do not stay where they were. Commas of sentences and figures ("12,000") stay.
    """
    text = _AFTER_COLON.sub(lambda found: ":\n" if _OPENING.match(text, found.end()) else ": ", text)
    for lost in (_AFTER_END, _AFTER_WORD, _INLINE):
        text = lost.sub("\n", text)
    return _HEADING.sub("\n\n", text).strip()
