"""The figures that a checkpoint is to reach: the table that is shown first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.evaluation.bootstrap import Difference, Figure, Formula, difference, figure
from models.evaluation.counts import GOLD, Tally, aligned, macro, micro
from models.evaluation.measures import LABELS, Measure
from models.evaluation.report import Row

MICRO, MACRO = "micro", "macro"
NO_HEAD = "no head"
FEW = 20
"""Documents below which a percentile interval tends to be too narrow; a rule of thumb."""
Measures = Mapping[tuple[str, str], Measure]
"""By corpus and task."""


@dataclass(frozen=True)
class Goal:
    """`corpus` and `measured` name a measure; `of`: a label of it, or micro or macro; `least`: per cent."""

    task: str
    corpus: str
    measured: str
    of: str
    least: float


GOALS = (
    Goal("BC5CDR chemicals", "bc5cdr", "entities", "MEDICATION", 91.0),
    Goal("BC5CDR diseases", "bc5cdr", "entities", "PROBLEM", 83.5),
    Goal("NCBI-disease", "ncbi-disease", "entities", MICRO, 86.0),
    Goal("MACCROBAT, 12 types, strict", "maccrobat", "12 types", MICRO, 67.0),
    Goal("MACCROBAT, 12 types, overlap", "maccrobat", "12 types, overlap", MICRO, 80.0),
    Goal("PHEE drug + effect", "phee", "events", MICRO, 82.0),
    Goal("negation (unseen NegEx rows)", "negex", "certainty", "negative", 97.0),
    Goal("historical (NegEx)", "negex", "temporality", "past", 80.0),
    Goal("graded certainty (PHEE Speculated)", "phee", "graded certainty", MICRO, 68.0),
    Goal("drug–adverse effect (PHEE, strict)", "phee", "relations", "ADVERSE_EFFECT_OF", 66.0),
    Goal("CID with gold entities (BC5CDR)", "bc5cdr", "relations of codes", "ADVERSE_EFFECT_OF", 66.0),
    Goal("PHI, asq-phi, strict", "asq-phi", "phi", MICRO, 97.0),
    Goal("PHI, asq-phi, characters covered", "asq-phi", "phi, characters", MICRO, 99.5),
    Goal("PHI, presidio, strict", "presidio-pii", "phi", MICRO, 76.0),
    Goal("PHI, presidio, characters covered", "presidio-pii", "phi, characters", MICRO, 97.0),
    Goal("mtsamples labels, micro", "mtsamples", LABELS, MICRO, 82.0),
    Goal("mtsamples labels, macro", "mtsamples", LABELS, MACRO, 60.0),
    Goal("linking BC5CDR chemicals, DrugBank", "bc5cdr", "linking to DRUGBANK", MICRO, 95.0),
    Goal("linking BC5CDR diseases, DOID", "bc5cdr", "linking to DOID", MICRO, 92.0),
)


def reached(
    measured: Measures, against: Measures | None, missing: Mapping[str, str], resamples: int
) -> list[Row]:
    """A row for every goal. `missing`: by corpus, and by corpus/task, why nothing was measured."""
    return [_row(goal, measured, against, missing, resamples) for goal in GOALS]


def picked(measure: Measure, of: str) -> tuple[Tally, Formula]:
    """The counts that a figure is made of, and how; a label that the measure does not have: no counts."""
    whole = measure.tally
    if of == MACRO:
        return whole, partial(macro, kind=measure.kind)
    if of != MICRO:
        kept = [number for number, label in enumerate(whole.labels) if label == of]
        whole = Tally(tuple(of for _ in kept), whole.groups, whole.counts[:, kept])
    return whole, partial(micro, kind=measure.kind)


def compared(first: Measure, second: Measure, of: str, resamples: int) -> Difference:
    one, formula = picked(first, of)
    two, _ = picked(second, of)
    one, two = aligned(one, two)
    return difference(one.counts, two.counts, formula, resamples)


def percent(found: Figure) -> Figure:
    return Figure(*(None if v is None else 100 * v for v in (found.value, found.low, found.high)))


def _row(
    goal: Goal, measured: Measures, against: Measures | None, missing: Mapping[str, str], resamples: int
) -> Row:
    key = goal.corpus, goal.measured
    measure = measured.get(key)
    counts, formula = picked(measure, goal.of) if measure is not None else (None, None)
    other = against.get(key) if against else None
    if measure is None or counts is None or formula is None or not counts.labels:
        why = missing.get(f"{goal.corpus}/{goal.measured}") or missing.get(goal.corpus) or NO_HEAD
        alone = None if other is None else _alone(other, goal.of)
        return Row(goal.task, goal.least, "%", False, Figure(None), 0, 0, why, alone)
    items = round(float(np.sum(counts.counts[..., GOLD])))
    return Row(
        goal.task,
        goal.least,
        "%",
        False,
        percent(figure(counts.counts, formula, resamples)),
        items,
        len(counts.groups),
        _note(items, len(counts.groups)),
        None if other is None else _percent(compared(measure, other, goal.of, resamples)),
    )


def _note(items: int, documents: int) -> str:
    if not items:
        return "nothing of it in these documents"
    return f"fewer than {FEW} documents: the interval is not to be trusted" if documents < FEW else ""


def _alone(other: Measure, of: str) -> Difference:
    """What the other one can, and this one cannot."""
    counts, formula = picked(other, of)
    value = percent(figure(counts.counts, formula, 0)).value
    return Difference(None, value, None, None, None, None)


def _percent(one: Difference) -> Difference:
    first, second, value, low, high = (
        None if v is None else 100 * v for v in (one.first, one.second, one.value, one.low, one.high)
    )
    return Difference(first, second, value, low, high, one.p)
