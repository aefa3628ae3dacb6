"""What every format's documents are held to, before anything is learned from them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from models.corpora.placing import placed
from models.corpora.problems import Problems, shown
from models.corpora.raw import LONGEST, RawDocument, RawRelation, RawSpan

Labels = Collection[str] | None
"""Names that are allowed; None: all."""


def checked(document: RawDocument, labels: Labels, problems: Problems) -> RawDocument | None:
    """The document with what is right of it; None where it has no text that could be read.

    Its spans then lie in its text, start and end with no blank and do not overlap: of two that do, the longer
    is kept, of two that are as long, the first. All that is left out is named.
    """
    if not document.text.strip():
        problems.lose(document.path, document.line, "has no text")
        return None
    if len(document.text) > LONGEST:
        what = f"its text has {len(document.text):,} characters, {LONGEST:,} are the most"
        problems.lose(document.path, document.line, what)
        return None
    spans: list[RawSpan | None] = [
        span and _well_placed(document, span, labels, problems) for span in placed(document, problems)
    ]
    places = _apart(document.path, spans, problems)
    kept = [spans[at] for at in places]
    numbers = {at: number for number, at in enumerate(places)}
    relations = _ends(document, numbers, labels, problems)
    return replace(
        document,
        spans=None if document.spans is None else tuple(span for span in kept if span is not None),
        relations=None if document.relations is None else tuple(relations),
        pairs=frozenset(pair for pair in document.pairs if _known(document, 0, pair[0], labels, problems)),
        classes=dict(_classes(document, labels, problems)),
    )


def _well_placed(document: RawDocument, span: RawSpan, labels: Labels, problems: Problems) -> RawSpan | None:
    path, text = document.path, document.text
    if not span.label.strip():
        problems.skipped(path, span.line, f"the span {span.start}–{span.end} has no label")
    elif span.start >= span.end:
        problems.skipped(path, span.line, f"{span} is empty")
    elif not 0 <= span.start < span.end <= len(text):
        problems.skipped(path, span.line, f"{span} lies outside of its text of {len(text)} characters")
    elif _known(document, span.line, span.label, labels, problems):
        inside = range(span.start, span.end)  # looked at from both ends, as a span may be as long as its text
        first = next((at for at in inside if not text[at].isspace()), None)
        last = next((at for at in reversed(inside) if not text[at].isspace()), None)
        if first is not None and last is not None:
            return replace(span, start=first, end=last + 1)
        problems.skipped(path, span.line, f"{span} covers nothing but blanks")
    return None


def _known(document: RawDocument, line: int, label: str, labels: Labels, problems: Problems) -> bool:
    if labels is None or label in labels:
        return True
    what = f"{shown(label, guessed=document.guessed)} is none of the labels that were asked for"
    problems.skipped(document.path, line or document.line, what)
    return False


def _apart(path: Path, spans: Sequence[RawSpan | None], problems: Problems) -> list[int]:
    """Which spans are kept, in the order of the text; each that overlaps with a kept one is named."""
    real = [(span, at) for at, span in enumerate(spans) if span is not None]
    kept: list[tuple[int, int, int]] = []  # end, start, place in `spans`: by their ends they are in order
    for span, at in sorted(real, key=lambda own: (own[0].start - own[0].end, own[0].start, own[1])):
        found = bisect_left(kept, (span.start + 1, -1, -1))  # the first that ends after this starts
        if found < len(kept) and kept[found][1] < span.end:
            other = spans[kept[found][2]]
            assert other is not None
            problems.skipped(path, span.line, f"{span} {_how(span, other)} {other}")
        else:
            insort(kept, (span.end, span.start, at))
    return [at for _, _, at in kept]


def _how(span: RawSpan, other: RawSpan) -> str:
    if (span.start, span.end) == (other.start, other.end):
        return "repeats" if span.label == other.label else "covers the same as"
    return "lies in" if other.start <= span.start and span.end <= other.end else "crosses"


def _ends(
    document: RawDocument, numbers: dict[int, int], labels: Labels, problems: Problems
) -> Iterator[RawRelation]:
    """Relations, once each, with the numbers that their spans have now."""
    seen = set()
    for relation in document.relations or ():
        source, target = numbers.get(relation.source, -1), numbers.get(relation.target, -1)
        name = shown(relation.label)
        if not relation.label:
            problems.skipped(document.path, relation.line, "a relation has no label")
        elif source < 0 or target < 0:
            end = "source" if source < 0 else "target"
            problems.skipped(document.path, relation.line, f"{name}: its {end} is no span that is kept")
        elif source == target:
            problems.skipped(document.path, relation.line, f"{name} leads from a span to itself")
        elif (relation.label, source, target) not in seen:
            seen.add((relation.label, source, target))
            if _known(document, relation.line, relation.label, labels, problems):
                yield replace(relation, source=source, target=target)


def _classes(
    document: RawDocument, labels: Labels, problems: Problems
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """By task; a task none of whose labels is known says nothing."""
    for task, given in document.classes.items():
        known = tuple(label for label in given if _known(document, document.line, label, labels, problems))
        if known or not given:
            yield task, known
