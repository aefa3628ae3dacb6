"""MACCROBAT2020: case reports with entities and relations, in brat standoff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from models.corpora.hedges import HEDGED
from models.corpora.scheme import (
    ANYTHING,
    CATEGORIES,
    PLAIN,
    RELATIONS,
    Axes,
    Document,
    Labelled,
    Place,
    Related,
    axes,
    without_overlaps,
)

MACCROBAT = {
    "Disease_disorder": "DISEASE", "Sign_symptom": "SIGN_OR_SYMPTOM", "Medication": "MEDICATION",
    "Dosage": "DOSAGE", "Administration": "ROUTE", "Frequency": "FREQUENCY", "Duration": "DURATION",
    "Diagnostic_procedure": "DIAGNOSTIC_PROCEDURE", "Lab_value": "LAB_VALUE",
    "Therapeutic_procedure": "THERAPEUTIC_PROCEDURE", "Biological_structure": "ANATOMY",
    "Severity": "SEVERITY", "Detailed_description": "DESCRIPTION", "Date": "DATE", "Time": "TIME",
    "Age": "AGE", "Sex": "SEX", "Clinical_event": "CLINICAL_EVENT", "Outcome": "OUTCOME",
}  # fmt: skip
MODIFIED = frozenset(RELATIONS) - {"ADVERSE_EFFECT_OF", "TREATS"}
"""Relations that MODIFY stands for."""
_MODIFY = re.compile(r"R\d+\tMODIFY Arg1:(\w+) Arg2:(\w+)")
_POLARITY = re.compile(r"A\d+\tPOLARITY (\w+) (\w+)")
POLARITY = {
    "NEG": ("negative",), "POS": ("positive",), "MAYBE_POS": ("positivePossible",),
    "MAYBE_NEG": ("negativePossible",),
    "UNCERTAIN": ("positivePossible", "neutralPossible", "negativePossible"),
}  # fmt: skip
JUDGED_CATEGORIES = frozenset({"DISEASE", "SIGN_OR_SYMPTOM", "MEDICATION", "THERAPEUTIC_PROCEDURE"})
UNJUDGED_CATEGORIES = frozenset(
    {"DATE", "TIME", "AGE", "SEX", "DOSAGE", "ROUTE", "FREQUENCY", "DURATION"}
)  # fmt: skip
"""Of which nobody says that they are negated, another's or past."""


def read_maccrobat(folder: Path) -> Iterator[Document]:
    """MACCROBAT2020 in brat standoff. Types outside the scheme, and discontinuous spans, are "anything"."""
    for path in sorted((folder / "brat").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        annotations = path.with_suffix(".ann").read_text(encoding="utf-8")
        rows = _brat_spans(annotations)
        polarity = _polarities(annotations)
        past = [pieces for kind, pieces in rows.values() if kind == "History"]
        family = [pieces for kind, pieces in rows.values() if kind == "Family_history"]
        labelled: dict[str, Labelled] = {}
        for name, (kind, pieces) in rows.items():
            start, end = pieces[0][0], pieces[-1][1]
            known = MACCROBAT.get(kind) if len(pieces) == 1 else None
            if known is not None:
                judged = _maccrobat_axes(text, known, start, end, past, family, polarity.get(name, ()))
                labelled[name] = Labelled(start, end, frozenset({known}), judged)
            else:  # also History and Family_history: what they cover is often not labelled any further
                labelled[name] = Labelled(start, end, ANYTHING)
        spans = without_overlaps(labelled.values())
        relations = tuple(_related(annotations, labelled, {span.place for span in spans}))
        yield Document(
            "maccrobat", path.stem, text, spans, frozenset(CATEGORIES), relations=relations, related=MODIFIED
        )


def _brat_spans(annotations: str) -> dict[str, tuple[str, list[tuple[int, int]]]]:
    """By name (T1, …): kind and pieces."""
    rows = {}
    for line in annotations.splitlines():
        if line.startswith("T"):
            name, what, *_ = line.split("\t")
            kind, _, places = what.partition(" ")
            pieces = [place.split() for place in places.split(";")]
            rows[name] = kind, [(int(start), int(end)) for start, end in pieces]
    return rows


def _polarities(annotations: str) -> dict[str, tuple[str, ...]]:
    """By name of a span: what its POLARITY leaves open of its certainty; that of an event is its span's."""
    stands_for = _events(annotations)
    said = {}
    for line in annotations.splitlines():
        found = _POLARITY.match(line)
        if found:
            said[stands_for.get(found[1], found[1])] = POLARITY[found[2]]
    return said


def _events(annotations: str) -> dict[str, str]:
    """By name of an event, that of the span that it stands for."""
    events = (line.partition("\t") for line in annotations.splitlines() if line.startswith("E"))
    return {name: what.split()[0].partition(":")[2] for name, _, what in events}


def _related(annotations: str, labelled: dict[str, Labelled], kept: set[Place]) -> Iterator[Related]:
    """MODIFY, whose category its two ends say; both may be events, which stand for their spans."""
    stands_for = {name: name for name in labelled} | _events(annotations)
    seen = set()
    for line in annotations.splitlines():
        found = _MODIFY.match(line)
        names = [stands_for.get(name, "") for name in found.groups()] if found else []
        ends = [labelled[name] for name in names if name in labelled and labelled[name].place in kept]
        if len(ends) == 2:
            source, target = ends
            category = _category(source.allowed, target.allowed)
            if category and (category, source.place, target.place) not in seen:
                seen.add((category, source.place, target.place))
                yield Related(category, source.place, target.place)


def _category(source: frozenset[str], target: frozenset[str]) -> str | None:
    for category in sorted(MODIFIED):
        sources, targets = RELATIONS[category]
        if source and target and source <= sources and target <= targets:
            return category
    return None


def _maccrobat_axes(
    text: str,
    category: str,
    start: int,
    end: int,
    past: list[list[tuple[int, int]]],
    family: list[list[tuple[int, int]]],
    certainty: tuple[str, ...],
) -> Axes:
    """`certainty` as the corpus has it; else positive, if need be only possibly so. Weak evidence beside it:
    what lies in a History or Family_history span."""
    if category in UNJUDGED_CATEGORIES:
        return PLAIN
    if category not in JUDGED_CATEGORIES:
        return axes()
    if _lies_in(start, end, family):
        return axes("none", "other")
    values = ["none", "subject", *(certainty or ("positive",))]
    if not certainty and HEDGED.search(_sentence(text, start, end)):
        values.append("positivePossible")
    values.append("past" if _lies_in(start, end, past) else "current")
    return axes(*values)


def _lies_in(start: int, end: int, spans: list[list[tuple[int, int]]]) -> bool:
    return any(first <= start and end <= last for pieces in spans for first, last in pieces)


def _sentence(text: str, start: int, end: int) -> str:
    first = max(text.rfind("\n", 0, start), text.rfind(". ", 0, start)) + 1
    stop = min((at for at in (text.find("\n", end), text.find(". ", end)) if at >= 0), default=len(text))
    return text[first:stop]
