"""The classic traps of negation, doubt, time and person, over the whole way of a note but for the encoder.

`assertion_traps.tsv` holds the cases. An encoder that knows nothing stands in: rules alone decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models import cues
from models.assemble import assemble
from models.passages import split
from models.phrases import AXIS_OF
from models.reader import UNJUDGED
from models.sections import find_sections
from models.types import AXES, Entity, Findings, Mention, Note, Passage, Span
from tests.records import PIPELINE, TIMINGS

TABLE = Path(__file__).with_name("assertion_traps.tsv")
USUAL = {axis: values[0] for axis, values in AXES.items()}
CASES = [
    tuple(line.split("\t"))
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def marked(written: str) -> tuple[str, list[Span]]:
    """The text without its brackets, and the spans that they marked."""
    text, spans, at = "", list[Span](), 0
    for concept in re.finditer(r"\[([^\]]*)\]", written):
        text += written[at : concept.start()]
        spans.append(Span(len(text), len(text) + len(concept[1])))
        text += concept[1]
        at = concept.end()
    return text + written[at:], spans


def read(text: str, concepts: list[Span]) -> tuple[Entity, ...]:
    """The entities of a note in which just these concepts are found, asserted by rules alone."""
    sections = find_sections(text)
    passages = split(text, sections)
    own = [list(_within(passage, concepts)) for passage in passages]
    judged = iter(
        cues.resolve(
            [(passage.text, spans) for passage, spans in zip(passages, own, strict=True)],
            np.tile(UNJUDGED, (sum(map(len, own)), 1)),
        )
    )
    findings = [
        Findings(tuple(Mention(span, "CONCEPT", 0.9, *next(judged)) for span in spans)) for spans in own
    ]
    return assemble(Note(id="n", text=text), sections, passages, findings, PIPELINE, TIMINGS).entities


def _within(passage: Passage, concepts: list[Span]) -> Iterator[Span]:
    for concept in concepts:
        if passage.span.start <= concept.start and concept.end <= passage.span.end:
            yield concept.shift(-passage.span.start)


def said(entity: Entity) -> str:
    """Unusual values with the words that decided them, as the table writes them."""
    by_axis = {axis: getattr(entity.assertion, axis) for axis in AXES}
    words = {}
    for evidence in entity.evidence:
        axis = AXIS_OF.get(evidence.kind) or next(
            a for a, v in by_axis.items() if v != USUAL[a] and a not in words
        )
        words[axis] = evidence.text
    unusual = [f"{value}={words.get(axis)}" for axis, value in by_axis.items() if value != USUAL[axis]]
    return "; ".join(unusual) or "-"


@pytest.mark.parametrize(("written", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_trap(written: str, expected: str) -> None:
    text, concepts = marked(written.replace("\\n", "\n"))
    found = read(text, concepts)
    assert [entity.text for entity in found] == [text[c.start : c.end] for c in concepts]
    assert " | ".join(map(said, found)) == expected.replace("\\n", "\n")


def test_the_table_has_a_case_for_each_value_of_each_axis() -> None:
    assert len(CASES) == len({written for written, _ in CASES}) >= 150
    named = set(re.findall(r"(\w+)=", " ".join(expected for _, expected in CASES)))
    assert named == {value for values in AXES.values() for value in values[1:]}
