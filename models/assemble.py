"""Findings of passages → one annotation record. Pure: the same arguments give the same record.

Duplicates: of overlapping mentions of one category stays the most confident, then the longer, then the first.
Mentions of different categories may overlap; all stay.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import msgspec

from models.sections import is_known, normalise, title_span
from models.types import (
    AXES,
    Annotation,
    Assertion,
    AssertionConfidence,
    Classification,
    Document,
    Entity,
    Evidence,
    Findings,
    Label,
    Mention,
    Note,
    Passage,
    Pipeline,
    RecordWarning,
    Section,
    SectionRecord,
    Span,
    Timings,
)

DIGITS = 3
"""Decimals of every confidence in a record."""
SECTION_CONFIDENCE = 0.9
"""Confidence of an axis that a section's title decided."""
_FAMILY = frozenset({"family", "fhx", "fh", "fam", "genetic"})
_PAST = frozenset({"past", "pmh", "pmhx", "psh", "pshx", "phx", "previous", "prior"})
_HISTORIES = frozenset({"past_medical_history", "past_surgical_history"})
_PROBLEM_LISTS = frozenset({"problem", "problems", "current", "active"})
_FAMILY_CUES = frozenset({"experiencer"})
_TIME_CUES = frozenset({"history", "future"})
_ASSOCIATION, _TEMPORALITY = list(AXES).index("association"), list(AXES).index("temporality")

Item = TypeVar("Item")
_encode = msgspec.json.Encoder().encode


def assemble(
    note: Note,
    sections: Sequence[Section],
    passages: Sequence[Passage],
    findings: Sequence[Findings],
    pipeline: Pipeline,
    timings: Timings,
    warnings: Sequence[RecordWarning] = (),
) -> Annotation:
    """One record for one note; `findings` belong to `passages`, in their order.

    Every entity's text is `note.text[start:end]`. Ids depend only on the document's id and version, the span,
    the category and the pipeline's fingerprint: a note read twice gives the same record, `timings` aside.
    """
    content = hashlib.sha256(note.text.encode("utf-8", "surrogatepass")).hexdigest()
    return Annotation(
        id="a" + _digest(note.id, note.version, content, pipeline.fingerprint, length=32),
        document=_document(note, content),
        pipeline=pipeline,
        sections=tuple(
            SectionRecord(id=section.id, span=section.span, title=section.title, category=section.category)
            for section in sections
        ),
        entities=_entities(note, sections, passages, findings, pipeline),
        classifications=_classifications(passages, findings),
        warnings=tuple(warnings),
        timings=timings,
    )


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


def _digest(*parts: Any, length: int = 16) -> str:
    return hashlib.sha256(_encode(parts)).hexdigest()[:length]


@lru_cache(maxsize=1 << 14)
def _rounded(confidence: float) -> float:
    """Findings have four decimals, so that few numbers come again and again."""
    return round(confidence, DIGITS)


@cache
def _assertion(axes: tuple[str, ...]) -> Assertion:
    return msgspec.convert(dict(zip(Assertion.__struct_fields__, axes, strict=True)), Assertion)


# --- entities ------------------------------------------------------------------------------------


def _entities(
    note: Note,
    sections: Sequence[Section],
    passages: Sequence[Passage],
    findings: Sequence[Findings],
    pipeline: Pipeline,
) -> tuple[Entity, ...]:
    headings = {section.id: _known_heading(note.text, section) for section in sections}
    rules = {section.id: _section_rule(note.text, section) for section in sections}
    entities: list[Entity] = []
    for passage, found in zip(passages, findings, strict=True):
        heading, rule = headings[passage.section], rules[passage.section]
        for mention in without_duplicates(found.mentions):
            if not 0 <= mention.span.start < mention.span.end <= len(passage.text):
                raise AssertionError("this is a bug: a mention lies outside its passage")
            if mention.span.end + passage.span.start <= heading:
                continue
            entities.append(_entity(note, passage, mention, rule, pipeline))
    return tuple(sorted(entities, key=lambda entity: (entity.span.start, entity.span.end, entity.category)))


def _known_heading(text: str, section: Section) -> int:
    """Where a heading with a known title ends: its words name a section, they are no finding. Else 0."""
    title = title_span(text, section) if is_known(section.title) else None
    return 0 if title is None else title.end


def without_duplicates(mentions: Iterable[Mention]) -> list[Mention]:
    """Mentions of which no two of one category overlap; see the head of this file."""
    mentions = sorted(mentions, key=lambda mention: (mention.span.start, mention.span.end))
    if all(before.span.end <= after.span.start for before, after in pairwise(mentions)):
        return mentions
    kept: dict[str, list[Mention]] = defaultdict(list)
    ranked = sorted(mentions, key=lambda mention: (-mention.confidence, -len(mention.span), mention.span))
    for mention in ranked:
        if not any(mention.span.overlaps(other.span) for other in kept[mention.category]):
            kept[mention.category].append(mention)
    return [mention for group in kept.values() for mention in group]


def _entity(note: Note, passage: Passage, mention: Mention, rule: _Rule | None, pipeline: Pipeline) -> Entity:
    span = mention.span.shift(passage.span.start)
    cues = [(cue.kind, cue.span.shift(passage.span.start)) for cue in mention.evidence]
    axes: tuple[str, ...] = mention.assertion
    sure: tuple[float, ...] = mention.assertion_confidence
    if rule is not None and _applies(rule, mention):
        axes, sure = _with(axes, rule.axis, rule.value), _with(sure, rule.axis, SECTION_CONFIDENCE)
        cues.append(("section", rule.title))
    return Entity(
        id="e" + _digest(note.id, note.version, span, mention.category, pipeline.fingerprint),
        span=span,
        text=note.text[span.start : span.end],
        category=mention.category,
        confidence=_rounded(mention.confidence),
        section=passage.section,
        assertion=_assertion(axes),
        assertion_confidence=AssertionConfidence(*map(_rounded, sure)),
        evidence=tuple(
            [Evidence(kind=kind, span=place, text=note.text[place.start : place.end]) for kind, place in cues]
        ),
    )


def _with(axes: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    return (*axes[:place], item, *axes[place + 1 :])


# --- what a section's title says of everything under it ---------------------------------------------


class _Rule(NamedTuple):
    """Gives an axis (by its place in `AXES`) a value, unless a cue of these kinds has moved it."""

    axis: int
    usual: str
    value: str
    cues: frozenset[str]
    title: Span


def _section_rule(text: str, section: Section) -> _Rule | None:
    """Family history is another's, past history is past."""
    title = title_span(text, section)
    if title is None:
        return None
    words = set(normalise(section.title).replace("/", " ").split())
    if section.category == "family_and_social_history":
        family_only = words & _FAMILY and not words & {"social", "shx", "sochx", "soc"}
        return _Rule(_ASSOCIATION, "subject", "other", _FAMILY_CUES, title) if family_only else None
    if section.category in _HISTORIES and not words & _PROBLEM_LISTS:
        return _Rule(_TEMPORALITY, "current", "past", _TIME_CUES, title)
    return None


def _applies(rule: _Rule, mention: Mention) -> bool:
    """A section decides only an axis that neither a cue nor the encoder moved from its usual value."""
    moved = any(cue.kind in rule.cues for cue in mention.evidence)
    return mention.assertion[rule.axis] == rule.usual and not moved


# --- the whole note --------------------------------------------------------------------------------


def _classifications(passages: Sequence[Passage], findings: Sequence[Findings]) -> tuple[Classification, ...]:
    """Each task's labels over the whole note: the mean of the passages' confidences, weighted by length."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    weights: dict[str, int] = defaultdict(int)
    for passage, found in zip(passages, findings, strict=True):
        for classified in found.classified:
            weights[classified.task] += len(passage.text)
            for label, confidence in classified.labels:
                sums[classified.task][label] += confidence * len(passage.text)
    return tuple(
        Classification(
            task=task,
            labels=tuple(
                Label(label=label, confidence=round(total / weights[task], DIGITS))
                for label, total in sorted(labels.items(), key=lambda item: (-item[1], item[0]))
            ),
        )
        for task, labels in sorted(sums.items())
    )
