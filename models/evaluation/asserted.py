"""Assertions: how what was found is asserted, against what a corpus says of the same concept.

A concept is found if an entity overlaps with it: of those that an assertion is said of the one that overlaps
most, else of all others. Where a corpus leaves several values open, the said one counts if it is among them,
else the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.corpora.scheme import Document, Labelled
from models.evaluation.counts import Threes
from models.types import AXES, Annotation, Entity

UNASSERTED = frozenset(
    {"DOSAGE", "ROUTE", "FREQUENCY", "DURATION", "LAB_VALUE", "ANATOMY", "SEVERITY", "DESCRIPTION",
     "DATE", "TIME", "AGE", "SEX"}
)  # fmt: skip
"""Of which nobody says that they are negated, another's or past."""
GUESSED = frozenset({"maccrobat"})
"""Corpora of whose spans the axes are no labels: what lies in a history, what stands near no hedge."""
SPECULATED = frozenset({"positivePossible", "neutralPossible"})
GRADED = "possible"


@dataclass(frozen=True)
class Judged:
    """On one axis: values that the corpus leaves open, the one that the record has and how sure it is; `said`
    "": the concept was not found."""

    axis: str
    left: frozenset[str]
    said: str = ""
    confidence: float = 0.0

    @property
    def right(self) -> bool:
        return self.said in self.left

    @property
    def label(self) -> str:
        """What it counts for."""
        return self.said if self.right else next(value for value in AXES[self.axis] if value in self.left)


def judged(document: Document, record: Annotation) -> Iterator[Judged]:
    """Every concept of a document on every axis that is labelled: those that only say how they are asserted,
    and labelled spans but for corpora whose labels of it are guesses."""
    spans = () if document.corpus in GUESSED else document.spans
    for span in dict.fromkeys((*document.judged, *spans)):
        entity = overlapping(span, record.entities)
        for axis, left in zip(AXES, span.axes, strict=True):
            if len(left) == len(AXES[axis]):
                continue
            if entity is None:
                yield Judged(axis, left)
            else:
                said = getattr(entity.assertion, axis)
                yield Judged(axis, left, said, getattr(entity.assertion_confidence, axis))


def overlapping(span: Labelled, entities: Sequence[Entity]) -> Entity | None:
    """See the head of this file."""
    shared = [(min(span.end, e.span.end) - max(span.start, e.span.start), e) for e in entities]
    near = [(length, e) for length, e in shared if length > 0]
    spoken = [(length, e) for length, e in near if e.category not in UNASSERTED]
    best = max(spoken or near, key=lambda pair: (pair[0], pair[1].confidence), default=None)
    return None if best is None else best[1]


def by_value(judgements: Sequence[Judged], axis: str, *, unseen: bool = False) -> Threes:
    """Gold, found and right of each value of an axis, on concepts that were found; `unseen`: on all, those
    that were not found are missed."""
    threes = {value: [0, 0, 0] for value in AXES[axis]}
    for one in judgements:
        if one.axis != axis or not (one.said or unseen):
            continue
        threes[one.label][0] += 1
        if one.said:
            threes[one.said][1] += 1
            threes[one.said][2] += one.right
    return _threes(threes)


def graded(judgements: Sequence[Judged]) -> Threes:
    """Concepts that a corpus calls speculated, among those that were found: named where the record says
    positivePossible or neutralPossible, whichever of the two."""
    certainty = [one for one in judgements if one.axis == "certainty" and one.said]
    gold = sum(one.left == SPECULATED for one in certainty)
    found = sum(one.said in SPECULATED for one in certainty)
    right = sum(one.left == SPECULATED and one.said in SPECULATED for one in certainty)
    return {GRADED: (gold, found, right)}


def _threes(counts: Mapping[str, Sequence[int]]) -> Threes:
    return {label: (gold, found, right) for label, (gold, found, right) in counts.items() if gold or found}
