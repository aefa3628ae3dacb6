"""PHEE: sentences of case reports with pharmacovigilance events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.corpora.scheme import (
    ANYTHING,
    EVENTS,
    MEDICATION,
    PROBLEM,
    Axes,
    Document,
    Labelled,
    Layer,
    Place,
    Related,
    axes,
    without_overlaps,
)

PHEE = {
    ("Treatment", "Drug"): MEDICATION, ("Treatment", "Disorder"): PROBLEM, ("Subject", "Disorder"): PROBLEM,
    ("Treatment", "Dosage"): frozenset({"DOSAGE"}), ("Treatment", "Route"): frozenset({"ROUTE"}),
    ("Treatment", "Freq"): frozenset({"FREQUENCY"}), ("Treatment", "Duration"): frozenset({"DURATION"}),
    ("Subject", "Age"): frozenset({"AGE"}), ("Subject", "Gender"): frozenset({"SEX"}),
}  # fmt: skip
ARGUMENTS = frozenset({"DOSAGE", "ROUTE", "FREQUENCY", "DURATION", "AGE", "SEX", "SEVERITY"})
"""What a sentence says of these is nearly always an argument: elsewhere in it there are none. Were that left
open, nothing would keep a model from seeing them in any word of such sentences."""
OF_DRUG = {"Dosage": "DOSAGE_OF", "Route": "ROUTE_OF", "Freq": "FREQUENCY_OF", "Duration": "DURATION_OF"}
"""Parts of a treatment that are said of its drugs."""


def read_phee(folder: Path) -> Iterator[Document]:
    """PHEE v1. Events name only their own arguments: nothing is said of other drugs and problems. The layer
    of events is labelled completely: a drug or effect that is no argument is in no event."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield _document(json.loads(line))


def _document(row: Mapping[str, Any]) -> Document:
    spans: list[Labelled] = []
    judged: list[Labelled] = []
    events: list[Labelled] = []
    relations: dict[Related, None] = {}
    for event in (event for note in row["annotations"] for event in note["events"]):
        spans += _phee_arguments(event)
        effects, drugs = _places(event.get("Effect", {})), _places(event.get("Treatment", {}).get("Drug", {}))
        judged += [Labelled(start, end, ANYTHING, _phee_axes(event)) for start, end in effects]
        events += [Labelled(start, end, frozenset({"EFFECT"})) for start, end in effects]
        events += [Labelled(start, end, frozenset({"DRUG"})) for start, end in drugs]
        relations |= dict.fromkeys(_phee_relations(event, effects, drugs))
    return Document(
        "phee",
        row["id"].partition("_")[0],
        row["context"],
        without_overlaps(spans),
        covered=ARGUMENTS,
        judged=tuple(judged),
        layers={"events": Layer(without_overlaps(events), frozenset(EVENTS))},
        relations=tuple(relations),
        related=frozenset({"ADVERSE_EFFECT_OF", "TREATS", *OF_DRUG.values()}),
    )


def _phee_relations(
    event: Mapping[str, Any], effects: Sequence[Place], drugs: Sequence[Place]
) -> Iterator[Related]:
    treatment = event.get("Treatment", {})
    if event.get("event_type") == "Adverse_event":
        yield from (Related("ADVERSE_EFFECT_OF", effect, drug) for effect in effects for drug in drugs)
    for problem in _places(treatment.get("Disorder", {})):
        yield from (Related("TREATS", drug, problem) for drug in drugs)
    for part, category in OF_DRUG.items():
        for place in _places(treatment.get(part, {})):
            yield from (Related(category, place, drug) for drug in drugs)


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


def _places(argument: Mapping[str, Any]) -> list[Place]:
    """Contiguous mentions of an argument; those in several pieces are left out."""
    mentions = zip(argument.get("text", ()), argument.get("start", ()), strict=True)
    return [(starts[0], starts[0] + len(texts[0])) for texts, starts in mentions if len(texts) == 1]
