"""How well protected health information is found: exact spans, what leaks, what is hidden for nothing.

Strict F1 is i2b2's (Stubbs et al. 2015, "Automated systems for the de-identification of longitudinal clinical
narratives"): the same place and category. Coverage asks only whether a character is hidden, whatever it is
taken for: that is what decides whether somebody can be known again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.corpora.scheme import Document, Labelled
from models.evaluation.counts import Ratios
from models.phi import CATEGORIES, Found, resolve
from models.types import Span

Predicted = Sequence[tuple[Span, str, float]]
"""Spans of a document with their categories and confidences, none over another."""
STEPS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LAYER = "phi"
ALL = "all"


@dataclass(frozen=True)
class PhiScore(Ratios):
    """Of one category: spans that there are, that were named, and of these the exact ones (`gold`, `found`,
    `right`); characters that there are, of these hidden under any category, and hidden for nothing
    (`characters`, `covered`, `over`)."""

    category: str
    gold: int = 0
    found: int = 0
    right: int = 0
    characters: int = 0
    covered: int = 0
    over: int = 0

    @property
    def coverage(self) -> float:
        """Share of the characters that are hidden; 1 where there are none."""
        return self.covered / self.characters if self.characters else 1.0

    @property
    def leaked(self) -> int:
        return self.characters - self.covered

    def __add__(self, other: PhiScore) -> PhiScore:
        return PhiScore(
            self.category,
            self.gold + other.gold,
            self.found + other.found,
            self.right + other.right,
            self.characters + other.characters,
            self.covered + other.covered,
            self.over + other.over,
        )

    def as_dict(self) -> dict[str, Any]:
        figures = {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "coverage": self.coverage,
        }
        return asdict(self) | {"leaked": self.leaked} | {name: round(f, 4) for name, f in figures.items()}


Scores = Mapping[str, PhiScore]
"""By category; `all`: of all together."""


def phi_scores(pairs: Iterable[tuple[Document, Predicted]], side_by_side: bool = False) -> Scores:
    """Scores over documents with a layer `phi`, per category and for all.

    A gold span that may be anything is ignored, with all that was found on it alone; so is what was found
    under a category that the document does not cover. A gold span of several categories counts for the one
    that was found, or else for the first. `side_by_side`: spans of one category with only white space between
    them count as one, on both sides (Presidio labels the parts of an address one by one).
    """
    total: dict[str, PhiScore] = {ALL: PhiScore(ALL)}
    for document, predicted in pairs:
        for score in document_scores(document, predicted, side_by_side).values():
            total[score.category] = total.get(score.category, PhiScore(score.category)) + score
            total[ALL] += score
    return {ALL: total[ALL]} | {name: total[name] for name in sorted(total.keys() - {ALL})}


def document_scores(document: Document, predicted: Predicted, side_by_side: bool = False) -> Scores:
    """One document's scores by category (without `all`): what a bootstrap draws from."""
    layer = document.layers[LAYER]
    gold = list(layer.spans)
    found = [(span, category) for span, category, _ in predicted]
    if side_by_side:
        gold, found = _joined_gold(document.text, gold), _joined_found(document.text, found)
    counts = _Counts()
    known = [span for span in gold if span.allowed]
    open_places = [span for span in gold if not span.allowed]
    said = {(span.start, span.end): category for span, category in found}
    for label in known:
        category = said.get(label.place, "")
        name = category if category in label.allowed else min(label.allowed)
        counts.add(name, "gold", 1)
        counts.add(name, "right", category in label.allowed)
        counts.add(name, "characters", label.end - label.start)
        counts.add(name, "covered", sum(_overlap(label, span) for span, _ in found))
    for span, category in found:
        on_known = sum(_overlap(label, span) for label in known)
        on_open = sum(_overlap(label, span) for label in open_places)
        if on_known or (not on_open and category in layer.covered):
            counts.add(category, "found", 1)
        if on_known or category in layer.covered:
            counts.add(category, "over", len(span) - on_known - on_open)
    return counts.scores()


class _Counts:
    def __init__(self) -> None:
        self._by_category: dict[str, dict[str, int]] = {}

    def add(self, category: str, what: str, number: int) -> None:
        counts = self._by_category.setdefault(category, {})
        counts[what] = counts.get(what, 0) + int(number)

    def scores(self) -> dict[str, PhiScore]:
        return {category: PhiScore(category, **counts) for category, counts in self._by_category.items()}


def _overlap(label: Labelled, span: Span) -> int:
    return max(0, min(label.end, span.end) - max(label.start, span.start))


def _joined_gold(text: str, gold: Iterable[Labelled]) -> list[Labelled]:
    kept: list[Labelled] = []
    for label in sorted(gold, key=lambda label: label.start):
        last = kept[-1] if kept else None
        if last and last.allowed == label.allowed and not text[last.end : label.start].strip():
            kept[-1] = Labelled(last.start, label.end, last.allowed)
        else:
            kept.append(label)
    return kept


def _joined_found(text: str, found: Iterable[tuple[Span, str]]) -> list[tuple[Span, str]]:
    kept: list[tuple[Span, str]] = []
    for span, category in sorted(found):
        last = kept[-1] if kept else None
        if last and last[1] == category and not text[last[0].end : span.start].strip():
            kept[-1] = (Span(last[0].start, span.end), category)
        else:
            kept.append((span, category))
    return kept


# --- the recall dial -----------------------------------------------------------------------------


@dataclass(frozen=True)
class DialPoint:
    """What one category costs at one threshold: `recall` of exact spans, `coverage` and `leaked` of
    characters, and the characters hidden for nothing (`over`)."""

    category: str
    threshold: float
    recall: float
    coverage: float
    leaked: int
    over: int


def sweep(
    documents: Sequence[tuple[Document, Predicted]], steps: Sequence[float] = STEPS
) -> tuple[DialPoint, ...]:
    """The dial's whole range on labelled documents: each with all that the head learned, however unsure.

    At every step all categories have the same threshold; patterns and consistency are part of it.
    """
    points = []
    for threshold in steps:
        for score in phi_scores(_resolved(documents, threshold)).values():
            points.append(
                DialPoint(score.category, threshold, score.recall, score.coverage, score.leaked, score.over)
            )
    return tuple(sorted(points, key=lambda point: (point.category, point.threshold)))


def _resolved(
    documents: Iterable[tuple[Document, Predicted]], threshold: float
) -> Iterator[tuple[Document, Sequence[Found]]]:
    for document, learned in documents:
        names = {category for _, category, _ in learned} | {*CATEGORIES}
        yield document, resolve(document.text, learned, dict.fromkeys(names, threshold))


def cheapest(points: Iterable[DialPoint], coverage: float) -> dict[str, float]:
    """By category, the threshold that hides the least for nothing of those that hide `coverage` of the
    characters; where none does, the lowest of those that leak least."""
    by_category: dict[str, list[DialPoint]] = {}
    for point in points:
        if point.category != ALL:
            by_category.setdefault(point.category, []).append(point)
    return {category: _cheapest(own, coverage).threshold for category, own in by_category.items()}


def _cheapest(points: Sequence[DialPoint], coverage: float) -> DialPoint:
    enough = [point for point in points if point.coverage >= coverage]
    if enough:
        return min(enough, key=lambda point: (point.over, point.leaked, -point.threshold))
    return min(points, key=lambda point: (point.leaked, point.over, point.threshold))
