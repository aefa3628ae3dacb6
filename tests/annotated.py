"""Labelled documents and records of them, made by hand: who finds what is up to the test."""

from __future__ import annotations

from typing import Any

from models.corpora.scheme import ANYTHING, OPEN, Axes, Document, Labelled
from models.types import (
    Annotation,
    Assertion,
    AssertionConfidence,
    Classification,
    Entity,
    Label,
    Phi,
    Relation,
    SectionRecord,
    Span,
)
from models.types import Document as Described
from tests.records import PIPELINE, TIMINGS

Place = tuple[int, int, str]
USUAL = ("positive", "none", "subject", "current")


def labelled(
    start: int, end: int, allowed: str = "", axes: Axes = OPEN, codes: str | tuple[str, ...] = ()
) -> Labelled:
    """`allowed`: categories with "/" between; none: it may be anything."""
    named = frozenset(allowed.split("/")) if allowed else ANYTHING
    return Labelled(start, end, named, axes, (codes,) if isinstance(codes, str) else codes)


def document(
    *spans: Labelled, corpus: str = "test", id: str = "1", text: str = "x" * 99, **more: Any
) -> Document:
    return Document(corpus, id, text, spans, **more)


def entity(start: int, end: int, category: str, confidence: float = 0.9, **axes: str) -> Entity:
    """Its id is where it lies; `axes`: how it is asserted where that is not the usual."""
    asserted = dict(zip(Assertion.__struct_fields__, USUAL, strict=True)) | axes
    return Entity(
        id=f"{start}-{end}",
        span=Span(start, end),
        text="x" * (end - start),
        category=category,
        confidence=confidence,
        section="s1",
        assertion=Assertion(**asserted),  # type: ignore[arg-type]
        assertion_confidence=AssertionConfidence(0.9, 0.8, 0.7, 0.6),
    )


def related(category: str, source: tuple[int, int], target: tuple[int, int], sure: float = 0.9) -> Relation:
    ends = [f"{start}-{end}" for start, end in (source, target)]
    return Relation(id="r", category=category, source=ends[0], target=ends[1], confidence=sure)


def classified(task: str, **labels: float) -> Classification:
    return Classification(task, tuple(Label(label, sure) for label, sure in labels.items()))


def record(
    *entities: Entity,
    relations: tuple[Relation, ...] = (),
    classes: tuple[Classification, ...] = (),
    sections: tuple[SectionRecord, ...] = (),
    phi: tuple[Place, ...] = (),
) -> Annotation:
    described = Described(
        id="1",
        version=None,
        content_sha256="",
        characters=99,
        patient_key=None,
        encounter_key=None,
        type=None,
        authored_at=None,
        source_system=None,
        footer=None,
    )
    return Annotation(
        id="a",
        document=described,
        pipeline=PIPELINE,
        entities=entities,
        relations=relations,
        classifications=classes,
        sections=sections,
        phi=tuple(Phi(f"p{start}", Span(start, end), category, 0.9) for start, end, category in phi),
        timings=TIMINGS,
    )
