"""Relations: end to end in a record, and between gold entities where a corpus names them by codes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.checkpoint import Checkpoint
from models.corpora.scheme import Document, Labelled
from models.evaluation.counts import Threes
from models.precision import Precision
from models.types import Annotation

Tie = tuple[str, tuple[int, int], tuple[int, int]]
"""Category, place of the source, place of the target."""
Named = tuple[str, object, object]
CodePair = tuple[str, str, str]
"""Category, code of the source, code of the target."""


@dataclass(frozen=True)
class Candidate:
    """That one gold span may be related to another: `source` and `target` count the spans given."""

    category: str
    source: int
    target: int
    confidence: float


class RelationScorer(Protocol):
    """Scores pairs of gold entities with a checkpoint's head for relations."""

    threshold: float
    """From which confidence on a relation holds."""

    def score(self, text: str, spans: Sequence[Labelled]) -> Iterable[Candidate]:
        """Every pair that may be related, once; `spans` in order of their starts, what each may be in
        `allowed`."""
        ...


class ScorerOf(Protocol):
    """Makes a scorer of a checkpoint on a device."""

    def __call__(self, checkpoint: Checkpoint, device: str, precision: Precision) -> RelationScorer: ...


def ties(record: Annotation, categories: Iterable[str]) -> Iterator[tuple[Tie, float]]:
    """The record's relations of these categories by the places of their ends, with their confidences."""
    place = {entity.id: (entity.span.start, entity.span.end) for entity in record.entities}
    wanted = frozenset(categories)
    for relation in record.relations:
        if relation.category in wanted and relation.source in place and relation.target in place:
            tie = relation.category, place[relation.source], place[relation.target]
            yield tie, relation.confidence


def strict(document: Document, record: Annotation) -> Threes:
    """Right is a relation with the same category, the same source and the same target, both exact."""
    return _threes(gold_ties(document), {tie for tie, _ in ties(record, document.related)})


def gold_ties(document: Document) -> set[Tie]:
    return {(r.category, r.source, r.target) for r in document.relations}


def code_pairs(spans: Sequence[Labelled], candidates: Iterable[Candidate]) -> dict[CodePair, float]:
    """How sure it is that a document relates two codes, by all pairs of their mentions: their odds are added,
    1 - 1 / (1 + sum of p / (1 - p)).

    That is the soft maximum, log-sum-exp of log-odds, of Verga et al. 2018, "Simultaneously self-attending to
    all mentions for full-abstract biological relation extraction", with which training joins them, too: one
    sure pair is enough, and several unsure ones say more than one of them.
    """
    odds: dict[CodePair, float] = {}
    for one in candidates:
        own = one.confidence / (1 - one.confidence) if one.confidence < 1 else math.inf
        for source in dict.fromkeys(spans[one.source].codes):
            for target in dict.fromkeys(spans[one.target].codes):
                pair = one.category, source, target
                odds[pair] = odds.get(pair, 0.0) + own
    return {pair: 1 - 1 / (1 + summed) for pair, summed in odds.items()}


def by_code(document: Document, pairs: Mapping[CodePair, float], threshold: float) -> Threes:
    """Pairs of codes that the document as a whole relates."""
    return _threes(document.code_pairs, {pair for pair, sure in pairs.items() if sure >= threshold})


def _threes(gold: Collection[Named], found: Collection[Named]) -> Threes:
    """By category, which comes first in each."""
    right = set(gold) & set(found)
    return {
        category: (_of(gold, category), _of(found, category), _of(right, category))
        for category in sorted({one[0] for some in (gold, found) for one in some})
    }


def _of(some: Iterable[Named], category: str) -> int:
    return sum(one[0] == category for one in some)
