"""Findings of passages → one annotation record. Pure: the same arguments give the same record."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from models.finish import Finish
from models.mentioned import Whose, digest, entities_and_relations, rounded
from models.phi import resolve
from models.types import (
    Annotation,
    Document,
    Entity,
    Findings,
    Note,
    Passage,
    Phi,
    Pipeline,
    RecordWarning,
    Relation,
    Section,
    SectionRecord,
    Timings,
)
from models.wholes import classifications, embeddings, section_categories

PLAIN = Finish()
NAMING = frozenset({"NAME", "LOCATION"})
"""Identifiers that are words, as findings are."""


def assemble(
    note: Note,
    sections: Sequence[Section],
    passages: Sequence[Passage],
    findings: Sequence[Findings],
    pipeline: Pipeline,
    timings: Timings,
    warnings: Sequence[RecordWarning] = (),
    finish: Finish = PLAIN,
) -> Annotation:
    """One record for one note; `findings` belong to `passages`, in their order.

    Every entity's text is `note.text[start:end]`. Ids depend only on the document's id and version, the span,
    the category and the pipeline's fingerprint: a note read twice gives the same record, `timings` aside.
    """
    content = hashlib.sha256(note.text.encode("utf-8", "surrogatepass")).hexdigest()
    whose = Whose(note, pipeline, finish)
    phi = _phi(whose, passages, findings)
    entities, relations = _no_names(*entities_and_relations(whose, sections, passages, findings), phi)
    categories = section_categories(sections, passages, findings, finish.tasks)
    return Annotation(
        id="a" + digest(note.id, note.version, content, pipeline.fingerprint, length=32),
        document=_document(note, content),
        pipeline=pipeline,
        sections=tuple(
            SectionRecord(id=section.id, span=section.span, title=section.title, category=category)
            for section, category in zip(sections, categories, strict=True)
        ),
        entities=entities,
        relations=relations,
        classifications=classifications(passages, findings, finish.tasks),
        phi=phi,
        embeddings=embeddings(passages, findings),
        warnings=tuple(warnings),
        timings=timings,
    )


def _no_names(
    entities: tuple[Entity, ...], relations: tuple[Relation, ...], phi: Sequence[Phi]
) -> tuple[tuple[Entity, ...], tuple[Relation, ...]]:
    """Without the entities that lie within a name or place of which more is sure: who is called Michael is
    no medication."""
    names = sorted((own for own in phi if own.category in NAMING), key=lambda own: own.span)
    starts = [own.span.start for own in names]

    def named(entity: Entity) -> bool:
        place = bisect_right(starts, entity.span.start) - 1
        own = names[place] if place >= 0 else None
        return own is not None and entity.span.end <= own.span.end and own.confidence > entity.confidence

    kept = tuple(entity for entity in entities if not named(entity))
    if len(kept) == len(entities):
        return entities, relations
    known = {entity.id for entity in kept}
    return kept, tuple(own for own in relations if own.source in known and own.target in known)


def _document(note: Note, content: str) -> Document:
    return Document(
        id=note.id,
        version=note.version,
        content_sha256=content,
        characters=len(note.text),
        patient_key=note.patient_key,
        encounter_key=note.encounter_key,
        type=note.type,
        authored_at=note.authored_at,
        source_system=note.source_system,
        footer=note.footer,
    )


def _phi(whose: Whose, passages: Sequence[Passage], findings: Sequence[Findings]) -> tuple[Phi, ...]:
    note, thresholds = whose.note, whose.finish.thresholds
    if thresholds is None:
        return ()
    learned = [
        (own.span.shift(passage.span.start), own.category, own.confidence)
        for passage, found in zip(passages, findings, strict=True)
        for own in found.marked
    ]
    return tuple(
        Phi(
            id="p" + digest(note.id, note.version, span, category, whose.pipeline.fingerprint),
            span=span,
            category=category,
            confidence=rounded(confidence),
        )
        for span, category, confidence in resolve(note.text, learned, thresholds)
    )
