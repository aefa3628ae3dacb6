"""Records made without an encoder: a finder says what stands in a passage."""

from __future__ import annotations

import re
from typing import Any

from models.assemble import assemble
from models.passages import split
from models.sections import find_sections
from models.types import Annotation, Findings, Mention, Note, Pipeline, Span, Timings

PIPELINE = Pipeline("fake", "1", "0123456789abcdef")
TIMINGS = Timings(queue_ms=1.0, inference_ms=2.0, cached_passages=0, passages=1)
PLAIN = ("positive", "none", "subject", "current")


def mention(start: int, end: int, category: str = "DISEASE", confidence: float = 0.9, **more: Any) -> Mention:
    fields = {"assertion": PLAIN, "assertion_confidence": (0.91, 0.92, 0.93, 0.94)} | more
    return Mention(Span(start, end), category, confidence, **fields)


def read(note: Note, finder: Any, pipeline: Pipeline = PIPELINE, **more: Any) -> Annotation:
    """The record of a note whose passages `finder` reads."""
    sections = find_sections(note.text)
    passages = split(note.text, sections)
    return assemble(note, sections, passages, [finder(p) for p in passages], pipeline, TIMINGS, **more)


def words(pattern: str, **more: Any) -> Any:
    return lambda passage: Findings(
        tuple(mention(*match.span(), **more) for match in re.finditer(pattern, passage.text))
    )
