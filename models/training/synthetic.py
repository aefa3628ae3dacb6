"""Carrier sentences with concepts of the training part put in: assertions that no corpus labels enough."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from models.corpora.scheme import MEDICATION, PLAIN, PROBLEM, Axes, Document, Labelled, axes

CARRIERS = Path(__file__).parent / "carriers.tsv"
SLOT = re.compile(r"\{(problem|drug|procedure)(?:\|([^}]*))?\}")
LONGEST = 40

Concepts = Mapping[str, Sequence[tuple[str, frozenset[str]]]]
"""By kind of slot: texts, each with the categories that its corpus leaves open."""


def read_carriers(path: Path = CARRIERS) -> list[str]:
    """The file's sentences; a written \\n is a line break."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.replace("\\n", "\n") for line in lines if line and not line.startswith("#")]


def concepts(documents: Iterable[Document]) -> Concepts:
    """What documents name, by kind of slot: once each, not too long, on one line, not a lone capital."""
    found: dict[str, dict[str, frozenset[str]]] = {"problem": {}, "drug": {}, "procedure": {}}
    kinds = {PROBLEM: "problem", MEDICATION: "drug", frozenset({"THERAPEUTIC_PROCEDURE"}): "procedure"}
    kinds |= {frozenset({category}): "problem" for category in PROBLEM}
    for document in documents:
        for span in document.spans:
            text = document.text[span.start : span.end]
            kind = kinds.get(span.allowed)
            if kind and 3 <= len(text) <= LONGEST and "\n" not in text:
                found[kind][text] = span.allowed
    return {kind: sorted(texts.items(), key=lambda item: item[0]) for kind, texts in found.items()}


def fill(carrier: str, known: Concepts, chance: random.Random) -> tuple[str, list[Labelled]]:
    """A carrier sentence with its slots filled, and the labels of what was put in."""
    text, spans, at = "", [], 0
    for slot in SLOT.finditer(carrier):
        text += carrier[at : slot.start()]
        words, allowed = chance.choice(known[slot[1]])
        if not text and words.islower():
            words = words[:1].upper() + words[1:]
        spans.append(Labelled(len(text), len(text) + len(words), allowed, _slot_axes(slot[2] or "")))
        text += words
        at = slot.end()
    return text + carrier[at:], spans


def _slot_axes(values: str) -> Axes:
    given = [value for value in values.split(",") if value and value != "?"]
    judged = axes(*given, rest=PLAIN)
    return (*judged[:3], axes()[3]) if "?" in values else judged


def synthesise(count: int, known: Concepts, chance: random.Random) -> list[Document]:
    """`count` documents of one to four carrier sentences each, one a line or after another."""
    carriers = read_carriers()
    documents = []
    for number in range(count):
        text, spans = "", list[Labelled]()
        for carrier in chance.sample(carriers, chance.choice((1, 1, 2, 3, 4))):
            text += chance.choice((" ", "\n")) if text else ""
            sentence, filled = fill(carrier, known, chance)
            spans += [Labelled(s.start + len(text), s.end + len(text), s.allowed, s.axes) for s in filled]
            text += sentence
        documents.append(
            Document("synthetic", f"synthetic-{number}", text, tuple(spans), PROBLEM | MEDICATION)
        )
    return documents
