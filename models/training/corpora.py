"""Corpora in their own formats → documents of the one label scheme. A reader per format.

What each corpus means in the scheme is in the tables here; splitting and tokenising are not done here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.training.scheme import (
    ANYTHING,
    CATEGORIES,
    MEDICATION,
    PLAIN,
    PROBLEM,
    Axes,
    Document,
    Labelled,
    axes,
    without_overlaps,
)

PUBTATOR = {
    "Chemical": MEDICATION, "Disease": PROBLEM,
    "SpecificDisease": PROBLEM, "DiseaseClass": PROBLEM, "Modifier": PROBLEM, "CompositeMention": PROBLEM,
}  # fmt: skip
MACCROBAT = {
    "Disease_disorder": "DISEASE", "Sign_symptom": "SIGN_OR_SYMPTOM", "Medication": "MEDICATION",
    "Dosage": "DOSAGE", "Administration": "ROUTE", "Frequency": "FREQUENCY", "Duration": "DURATION",
    "Diagnostic_procedure": "DIAGNOSTIC_PROCEDURE", "Lab_value": "LAB_VALUE",
    "Therapeutic_procedure": "THERAPEUTIC_PROCEDURE", "Biological_structure": "ANATOMY",
    "Severity": "SEVERITY", "Detailed_description": "DESCRIPTION", "Date": "DATE", "Time": "TIME",
    "Age": "AGE", "Sex": "SEX", "Clinical_event": "CLINICAL_EVENT", "Outcome": "OUTCOME",
}  # fmt: skip
PHEE = {
    ("Treatment", "Drug"): MEDICATION, ("Treatment", "Disorder"): PROBLEM, ("Subject", "Disorder"): PROBLEM,
    ("Treatment", "Dosage"): frozenset({"DOSAGE"}), ("Treatment", "Route"): frozenset({"ROUTE"}),
    ("Treatment", "Freq"): frozenset({"FREQUENCY"}), ("Treatment", "Duration"): frozenset({"DURATION"}),
    ("Subject", "Age"): frozenset({"AGE"}), ("Subject", "Gender"): frozenset({"SEX"}),
}  # fmt: skip
JUDGED_CATEGORIES = frozenset({"DISEASE", "SIGN_OR_SYMPTOM", "MEDICATION", "THERAPEUTIC_PROCEDURE"})
UNJUDGED_CATEGORIES = frozenset(
    {"DATE", "TIME", "AGE", "SEX", "DOSAGE", "ROUTE", "FREQUENCY", "DURATION"}
)  # fmt: skip
"""Of which nobody says that they are negated, another's or past."""
HEDGED = re.compile(
    r"\b(?:no|not|nor|non|without|den(?:y|ies|ied)|negative|absen\w+|free|never|neither|rule\w*|exclu\w+|lack\w*"
    r"|possib\w+|probabl\w+|may|might|could|suspect\w*|suspicio\w+|likely|unlikely|suggest\w*|if|question\w*"
    r"|differential|consider\w*|vs|versus|concern\w*|appear\w*|seem\w*|perhaps|consistent|compatible|presum\w+)\b",
    re.IGNORECASE,
)
"""Words near which nobody should take an unlabelled concept for a plain positive one."""


def read_pubtator(path: Path, corpus: str, covered: frozenset[str]) -> Iterator[Document]:
    """BC5CDR and NCBI Disease: offsets count into title, space, abstract."""
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.strip("\n").split("\n")
        (identity, _, title), (_, _, abstract) = (line.split("|", 2) for line in lines[:2])
        spans = []
        for line in lines[2:]:
            fields = line.split("\t")
            if len(fields) >= 5 and fields[1].isdigit():
                spans.append(Labelled(int(fields[1]), int(fields[2]), PUBTATOR[fields[4]]))
        yield Document(corpus, identity, f"{title} {abstract}", without_overlaps(spans), covered)


def read_maccrobat(folder: Path) -> Iterator[Document]:
    """MACCROBAT2020 in brat standoff. Types outside the scheme, and discontinuous spans, are "anything"."""
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        rows = list(_brat_spans(path.with_suffix(".ann").read_text(encoding="utf-8")))
        past = [span for kind, span in rows if kind == "History"]
        family = [span for kind, span in rows if kind == "Family_history"]
        spans = []
        for kind, pieces in rows:
            start, end = pieces[0][0], pieces[-1][1]
            known = MACCROBAT.get(kind) if len(pieces) == 1 else None
            if known is not None:
                judged = _maccrobat_axes(text, known, start, end, past, family)
                spans.append(Labelled(start, end, frozenset({known}), judged))
            else:  # also History and Family_history: what they cover is often not labelled any further
                spans.append(Labelled(start, end, ANYTHING))
        yield Document("maccrobat", path.stem, text, without_overlaps(spans), frozenset(CATEGORIES))


def _brat_spans(annotations: str) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    for line in annotations.splitlines():
        if line.startswith("T"):
            kind, _, places = line.split("\t")[1].partition(" ")
            pieces = [place.split() for place in places.split(";")]
            yield kind, [(int(start), int(end)) for start, end in pieces]


def _maccrobat_axes(
    text: str,
    category: str,
    start: int,
    end: int,
    past: list[list[tuple[int, int]]],
    family: list[list[tuple[int, int]]],
) -> Axes:
    """Weak evidence: what lies in a History or Family_history span; and unhedged concepts as plain ones."""
    if category in UNJUDGED_CATEGORIES:
        return PLAIN
    if category not in JUDGED_CATEGORIES:
        return axes()
    if _lies_in(start, end, family):
        return axes("none", "other")
    values = ["none", "subject"]
    if not HEDGED.search(_sentence(text, start, end)):
        values.append("positive")
    values.append("past" if _lies_in(start, end, past) else "current")
    return axes(*values)


def _lies_in(start: int, end: int, spans: list[list[tuple[int, int]]]) -> bool:
    return any(first <= start and end <= last for pieces in spans for first, last in pieces)


def _sentence(text: str, start: int, end: int) -> str:
    first = max(text.rfind("\n", 0, start), text.rfind(". ", 0, start)) + 1
    stop = min((at for at in (text.find("\n", end), text.find(". ", end)) if at >= 0), default=len(text))
    return text[first:stop]


def read_phee(path: Path) -> Iterator[Document]:
    """PHEE v1. Events name only their own arguments, so nothing is said of the text outside them."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        spans: list[Labelled] = []
        judged: list[Labelled] = []
        for event in (event for note in row["annotations"] for event in note["events"]):
            spans += _phee_arguments(event)
            judged += [
                Labelled(a, b, ANYTHING, _phee_axes(event)) for a, b in _places(event.get("Effect", {}))
            ]
        identity = row["id"].partition("_")[0]
        yield Document("phee", identity, row["context"], without_overlaps(spans), judged=tuple(judged))


def _phee_arguments(event: Mapping[str, Any]) -> Iterator[Labelled]:
    for (argument, part), allowed in PHEE.items():
        for start, end in _places(event.get(argument, {}).get(part, {})):
            yield Labelled(start, end, allowed)
    for start, end in _places(event.get("Severity", {})):
        yield Labelled(start, end, frozenset({"SEVERITY"}))


def _phee_axes(event: Mapping[str, Any]) -> Axes:
    """Negated and Speculated are said of the event: taken as said of its effect."""
    if "Negated" in event:
        return axes("negative", "negativePossible", "subject")
    if "Speculated" in event:
        return axes("positivePossible", "neutralPossible", "subject")
    return axes("positive", "none", "subject")


def _places(argument: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Contiguous mentions of an argument; those in several pieces are left out."""
    for texts, starts in zip(argument.get("text", ()), argument.get("start", ()), strict=True):
        if len(texts) == 1:
            yield starts[0], starts[0] + len(texts[0])


def read_negex(path: Path) -> Iterator[Document]:
    """The NegEx/ConText test kit: a sentence a row, its concept in capitals, which are taken back."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    spelled = _spellings([(row[1], row[2]) for row in rows])
    for report, concept, sentence, negation, temporality, experiencer, *_ in rows:
        place = _capitals(concept, sentence)
        if place is None:
            continue
        start, end = place
        words = re.sub(r"\w+", lambda m: spelled(m.group()), sentence[start:end])
        if not sentence[:start].strip() or sentence[:start].rstrip().endswith((".", ":")):
            words = words[:1].upper() + words[1:]
        text = sentence[:start] + words + sentence[end:]
        judged = _negex_axes(text, negation, temporality, experiencer)
        span = Labelled(start, end, ANYTHING, judged)  # many are clauses ("oropharynx is clear"), no entities
        yield Document("negex", f"negex-{report}", text, (), judged=(span,))


def _negex_axes(text: str, negation: str, temporality: str, experiencer: str) -> Axes:
    values = ["negative"] if negation == "Negated" else ["positive"]
    if negation != "Negated" and HEDGED.search(text):
        values += ["positivePossible", "neutralPossible"]
    values.append("hypothetical" if temporality == "Not particular" else "none")
    values.append("subject" if experiencer == "Patient" else "other")
    if temporality in ("Recent", "Historical"):
        values.append("past" if temporality == "Historical" else "current")
    return axes(*values)


def _capitals(concept: str, sentence: str) -> tuple[int, int] | None:
    words = r"\W+".join(re.escape(word.upper()) for word in re.findall(r"\w+", concept))
    found = re.search(rf"(?<!\w){words}(?!\w)", sentence) if words else None
    return found.span() if found else None


def _spellings(rows: list[tuple[str, str]]) -> Any:
    """How a word is written where it is no concept: an abbreviation keeps its capitals, others lose them."""
    written: Counter[str] = Counter()
    for concept, sentence in rows:
        place = _capitals(concept, sentence) or (0, 0)
        written.update(re.findall(r"\w+", sentence[: place[0]] + " " + sentence[place[1] :]))

    def spell(word: str) -> str:
        if not word.isalpha():
            return word.lower()
        lower, upper = written[word.lower()] + written[word.capitalize()], written[word.upper()]
        return word.upper() if upper > lower or (upper == lower and len(word) <= 3) else word.lower()

    return spell


def read_all(root: Path, names: list[str]) -> Iterator[Document]:
    """Every document of the named corpora under `root`, each in the folder of its name."""
    both = PROBLEM | MEDICATION
    for name in names:
        folder = root / name
        if name == "bc5cdr":
            for part in ("train", "dev"):
                yield from read_pubtator(folder / f"{part}.pubtator.txt", name, both)
        elif name == "ncbi-disease":
            for part in ("train", "devel"):
                yield from read_pubtator(folder / f"{part}.pubtator.txt", name, PROBLEM)
        elif name == "maccrobat":
            yield from read_maccrobat(folder / "brat")
        elif name == "phee":
            for part in ("train", "dev"):
                yield from read_phee(folder / f"{part}.jsonl")
        elif name == "negex":
            yield from read_negex(folder / "annotations.tsv")
        else:
            raise ValueError(f"no reader for a corpus named {name!r}")
