"""Every domain type, from the note that came in to the record that goes out.

Standard library and msgspec only. Offsets into text are `Span`s: half-open, in Unicode code points.
`repr` of whatever holds patient text shows its length and nothing else. `gc=False`: of these there are many,
and none can be part of a cycle.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from models.explanation import Explanation as Explanation
from models.explanation import Word as Word
from models.span import Span as Span

Certainty = Literal["positive", "positivePossible", "neutralPossible", "negativePossible", "negative"]
Conditionality = Literal["none", "hypothetical", "conditional"]
Association = Literal["subject", "other"]
Temporality = Literal["current", "past", "future"]
Lane = Literal["stat", "routine", "backfill"]
NoteStatus = Literal["preliminary", "final", "amended", "entered-in-error"]

AXES: dict[str, tuple[str, ...]] = {
    "certainty": ("positive", "positivePossible", "neutralPossible", "negativePossible", "negative"),
    "conditionality": ("none", "hypothetical", "conditional"),
    "association": ("subject", "other"),
    "temporality": ("current", "past", "future"),
}
LANES: tuple[Lane, ...] = ("stat", "routine", "backfill")
SCHEMA_VERSION = "1.0"


class _Private(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Holds patient text: shows how much of it, never which."""

    def __repr__(self) -> str:
        text = getattr(self, "text", "")
        return f"{type(self).__name__}(<{len(text)} characters>)"


# --- what comes in -------------------------------------------------------------------------------


class Coding(_Private, frozen=True, kw_only=True):
    """A code in a terminology, e.g. a LOINC document type."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class Note(_Private, frozen=True, kw_only=True):
    """One clinical note as decoded from a message."""

    id: str
    text: str
    version: int | str | None = None
    patient_key: str | None = None
    encounter_key: str | None = None
    type: Coding | None = None
    authored_at: str | None = None
    source_system: str | None = None
    status: NoteStatus | None = None
    language: str | None = None
    footer: Any = None


# --- how it is read ------------------------------------------------------------------------------


class Section(msgspec.Struct, frozen=True):
    """A headed part of a note; `span` covers heading and body, `body` starts after the heading."""

    id: str
    span: Span
    title: str
    category: str
    body: int

    def __repr__(self) -> str:
        return f"Section({self.id}, {self.category}, {self.span})"


class Passage(_Private, frozen=True, kw_only=True, gc=False):
    """A stretch of text inside one section, cut at sentence ends: the unit of caching."""

    span: Span
    text: str
    section: str


class Cue(msgspec.Struct, frozen=True, gc=False):
    """The words that decided an assertion; `span` is relative to the passage."""

    kind: str
    span: Span


class Mention(msgspec.Struct, frozen=True, gc=False):
    """An entity found in a passage; spans are relative to the passage."""

    span: Span
    category: str
    confidence: float
    assertion: tuple[str, str, str, str]
    assertion_confidence: tuple[float, float, float, float]
    evidence: tuple[Cue, ...] = ()


class Marked(msgspec.Struct, frozen=True, gc=False):
    """What identifies a person in a passage; the span is relative to the passage."""

    span: Span
    category: str
    confidence: float


class Tie(msgspec.Struct, frozen=True, gc=False):
    """A relation between two mentions of a passage, named by their numbers there."""

    category: str
    source: int
    target: int
    confidence: float


class Classified(msgspec.Struct, frozen=True, gc=False):
    """How probable each label of a task is of a passage, in the order of the checkpoint's labels."""

    task: str
    confidences: tuple[float, ...]


class Task(msgspec.Struct, frozen=True):
    """Labels of a whole text. `pooled`: how those of passages become one text's: as "mean" of confidences, or
    of their log-odds. `thresholds`: from which confidence on each label is said; none: all are, with theirs.
    """

    name: str
    labels: tuple[str, ...]
    pooled: Literal["mean", "log-odds"] = "mean"
    thresholds: tuple[float, ...] = ()


class Findings(msgspec.Struct, frozen=True):
    """All that the heads read in one passage: what the cache remembers. `embedding`: of length 1, or none."""

    mentions: tuple[Mention, ...] = ()
    classified: tuple[Classified, ...] = ()
    marked: tuple[Marked, ...] = ()
    ties: tuple[Tie, ...] = ()
    embedding: tuple[float, ...] = ()


# --- what goes out: the annotation record, version 1 ---------------------------------------------


class Document(_Private, frozen=True, kw_only=True):
    id: str
    version: int | str | None
    content_sha256: str
    characters: int
    patient_key: str | None
    encounter_key: str | None
    type: Coding | None
    authored_at: str | None
    source_system: str | None
    footer: Any


class Pipeline(msgspec.Struct, frozen=True):
    """Which checkpoint and rules made a record; `fingerprint` changes when any of them does. `heads`: what
    was looked for."""

    name: str
    version: str
    fingerprint: str
    heads: tuple[str, ...] = ()


class SectionRecord(_Private, frozen=True, kw_only=True):
    id: str
    span: Span
    title: str
    category: str


class Assertion(msgspec.Struct, frozen=True, gc=False):
    certainty: Certainty
    conditionality: Conditionality
    association: Association
    temporality: Temporality


class AssertionConfidence(msgspec.Struct, frozen=True, gc=False):
    certainty: float
    conditionality: float
    association: float
    temporality: float


class Evidence(_Private, frozen=True, kw_only=True, gc=False):
    kind: str
    span: Span
    text: str


class Link(msgspec.Struct, frozen=True):
    system: str
    code: str
    name: str
    score: float


class Entity(_Private, frozen=True, kw_only=True, gc=False):
    id: str
    span: Span
    text: str
    category: str
    confidence: float
    section: str
    assertion: Assertion
    assertion_confidence: AssertionConfidence
    evidence: tuple[Evidence, ...] = ()
    links: tuple[Link, ...] = ()


class Relation(msgspec.Struct, frozen=True):
    id: str
    category: str
    source: str
    target: str
    confidence: float


class Label(msgspec.Struct, frozen=True):
    label: str
    confidence: float


class Classification(msgspec.Struct, frozen=True):
    task: str
    labels: tuple[Label, ...]


class Phi(msgspec.Struct, frozen=True):
    id: str
    span: Span
    category: str
    confidence: float


class Embedding(msgspec.Struct, frozen=True):
    """A vector of length 1 for a section, or for the whole note where `section` is null."""

    section: str | None
    vector: tuple[float, ...]

    def __repr__(self) -> str:
        return f"Embedding({self.section}, <{len(self.vector)} numbers>)"


class RecordWarning(msgspec.Struct, frozen=True):
    """Something a reader of the record should know; `message` is our own fixed sentence."""

    code: str
    message: str


class Timings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Milliseconds and counts; the only part of a record that differs between two readings."""

    queue_ms: float
    inference_ms: float
    cached_passages: int
    passages: int


class Annotation(_Private, frozen=True, kw_only=True):
    """One note's annotation record, as published."""

    schema_version: str = SCHEMA_VERSION
    id: str
    document: Document
    pipeline: Pipeline
    offset_unit: Literal["unicodeCodePoint"] = "unicodeCodePoint"
    sections: tuple[SectionRecord, ...] = ()
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    classifications: tuple[Classification, ...] = ()
    phi: tuple[Phi, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    warnings: tuple[RecordWarning, ...] = ()
    timings: Timings
