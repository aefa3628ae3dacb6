"""From which confidence on a finding or a relation is reported: where the exact F1 of its category is best.

Never above one half: what is likelier right than wrong is always reported. `STREAMER_ENTITY_THRESHOLDS` goes
before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.corpora.scheme import Document
from models.evaluation.related import Tie, gold_ties
from models.mentioned import all_sure
from models.reliability import on_curve
from models.types import Annotation, Span

MOST = 0.5
TRIED = np.linspace(0, MOST, 51)
PULL = 10.0
"""So many gold answers of one category or label weigh as much as what is best for all."""


@dataclass
class Told:
    """Of one category: confidences of what was found, whether each is right, and how much was missed."""

    confidence: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    missed: float = 0.0

    @property
    def gold(self) -> float:
        return sum(self.right) + self.missed


def told(pairs: Iterable[tuple[Document, Annotation]]) -> dict[str, Told]:
    """By category, of documents and their records. A gold mention that may be of several categories and is
    found as none of them is missed by each in part."""
    found: dict[str, Told] = defaultdict(Told)
    for document, record in pairs:
        allowed = {span.place: span.allowed for span in document.spans if span.allowed}
        unknown = [Span(*span.place) for span in document.spans if not span.allowed]
        met = set()
        for entity in record.entities:
            if entity.category in document.covered and not any(map(entity.span.overlaps, unknown)):
                place = entity.span.start, entity.span.end
                right = entity.category in allowed.get(place, ())
                met |= {place} if right else set()
                found[entity.category].confidence.append(entity.confidence)
                found[entity.category].right.append(right)
        for place in allowed.keys() - met:
            for category in allowed[place] & document.covered:
                found[category].missed += 1 / len(allowed[place])
    return found


def tied(
    pairs: Iterable[tuple[Document, Annotation]], curves: Mapping[str, Sequence[float]]
) -> dict[str, Told]:
    """As `told`, of relations: as sure as the record finds them, all three on their curves."""
    found: dict[str, Told] = defaultdict(Told)
    for document, record in pairs:
        entities = {entity.id: entity for entity in record.entities}
        gold = gold_ties(document)
        surest: dict[Tie, float] = {}
        for relation in record.relations:
            if relation.category in document.related:
                ends = entities[relation.source], entities[relation.target]
                source, target = (_on(curves, own.category, own.confidence) for own in ends)
                sure = all_sure(_on(curves, relation.category, relation.confidence), source, target)
                first, second = ((own.span.start, own.span.end) for own in ends)
                tie = relation.category, first, second
                surest[tie] = max(sure, surest.get(tie, 0.0))
        for tie, sure in surest.items():
            found[tie[0]].confidence.append(sure)
            found[tie[0]].right.append(tie in gold)
        for category, *_ in gold - surest.keys():
            found[category].missed += 1
    return found


def least(
    pairs: Iterable[tuple[Document, Annotation]], curves: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """By category of entities, of confidences on its curve (`models.reliability`)."""
    said = told(pairs)
    for category, own in said.items():
        own.confidence = [_on(curves, category, sure) for sure in own.confidence]
    return by_category(said)


def by_category(said: Mapping[str, Told]) -> dict[str, float]:
    """The best threshold of each; one with few gold mentions leans on what is best for all together."""
    everything = Told()
    for own in said.values():
        everything.confidence += own.confidence
        everything.right += own.right
        everything.missed += own.missed
    usual = best(everything)
    return {category: round(leant(best(own), own.gold, usual), 3) for category, own in sorted(said.items())}


def leant(own: float, gold: float, usual: float) -> float:
    """The threshold that is best for one of many, drawn to what is best for all: few gold answers speak only
    of these few."""
    return (gold * own + PULL * usual) / (gold + PULL)


def _on(curves: Mapping[str, Sequence[float]], category: str, confidence: float) -> float:
    a, b = curves.get(category, (1.0, 0.0))
    return float(on_curve(np.array([confidence], np.float32), a, b)[0])


def best(told: Told) -> float:
    """The threshold of the best F1; of those that are as good, the highest."""
    sure, right = np.array(told.confidence), np.array(told.right, np.bool_)
    f1 = [2 * (right & (sure >= at)).sum() / max(1.0, (sure >= at).sum() + told.gold) for at in TRIED]
    return float(TRIED[np.flatnonzero(f1 == np.max(f1))[-1]])
