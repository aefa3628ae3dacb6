"""Everything that the heads said with a confidence, and whether it is right: what calibration is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.corpora.scheme import Document
from models.evaluation import asserted, classes, related
from models.evaluation.abilities import Abilities
from models.evaluation.calibrated import Answer
from models.evaluation.measures import Pair, single
from models.types import Annotation, Span

Told = Iterator[tuple[str, Answer]]
"""Name of a head, and an answer of it."""


def answers(corpus: str, pairs: Sequence[Pair], can: Abilities) -> Told:
    """Of what a corpus can tell: what lies on spans that may be anything is left out."""
    tasks = sorted({task for document, _ in pairs for task in document.classes} & can.tasks.keys())
    lone = {task for task in tasks if single(task, pairs)}
    for document, record in pairs:
        group = f"{corpus}/{document.id}"
        yield from _entities(group, document, record)
        yield from _relations(group, document, record)
        yield from _phi(group, document, record)
        if can.categories:
            for one in asserted.judged(document, record):
                if one.said:
                    yield one.axis, Answer(group, one.confidence, one.right)
        for task in tasks:
            if task in document.classes:
                yield from _classes(group, document, record, task, task in lone)


def _entities(group: str, document: Document, record: Annotation) -> Told:
    allowed = {span.place: span.allowed for span in document.spans}
    unknown = [Span(*span.place) for span in document.spans if not span.allowed]
    for entity in record.entities:
        if entity.category in document.covered and not any(entity.span.overlaps(one) for one in unknown):
            right = entity.category in allowed.get((entity.span.start, entity.span.end), ())
            yield "entities", Answer(group, entity.confidence, right, entity.category)


def _relations(group: str, document: Document, record: Annotation) -> Told:
    gold = related.gold_ties(document)
    for tie, confidence in related.ties(record, document.related):
        yield "relations", Answer(group, confidence, tie in gold, tie[0])


def _phi(group: str, document: Document, record: Annotation) -> Told:
    layer = document.layers.get("phi")
    if layer is None:
        return
    allowed = {span.place: span.allowed for span in layer.spans}
    unknown = [Span(*span.place) for span in layer.spans if not span.allowed]
    for one in record.phi:
        if one.category in layer.covered and not any(one.span.overlaps(place) for place in unknown):
            right = one.category in allowed.get((one.span.start, one.span.end), ())
            yield "phi", Answer(group, one.confidence, right, one.category)


def _classes(group: str, document: Document, record: Annotation, task: str, lone: bool) -> Told:
    """Of a lone label the likeliest, else every label by itself; where a record does not say how sure it is,
    as of sections, nothing."""
    if not any(own.task == task for own in record.classifications):
        return
    found = classes.confidences(record, task)
    gold = document.classes[task]
    said = {classes.likeliest(found)} & found.keys() if lone else found.keys()
    for label in sorted(said):
        yield task, Answer(group, found[label], label in gold)
