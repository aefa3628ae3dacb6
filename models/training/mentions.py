"""Other mentions of the same kind in the place of some of a document's: context has to tell what a name is.

Method: Dai and Adel 2020, "An analysis of simple data augmentation for named entity recognition".
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from models.corpora.scheme import Document, Labelled, Layer, Place, Related

LONGEST = 60
Names = Mapping[frozenset[str], Sequence[str]]


class Mentions:
    """What documents of one corpus name, by what they leave open of it."""

    def __init__(self, documents: Iterable[Document]) -> None:
        found: dict[frozenset[str], dict[str, None]] = {}
        for document in documents:
            for span in document.spans:
                name = document.text[span.start : span.end]
                if span.allowed and len(name) <= LONGEST and "\n" not in name:
                    found.setdefault(span.allowed, {})[name] = None
        self._names: Names = {allowed: list(names) for allowed, names in found.items()}

    def replaced(self, document: Document, share: float, chance: random.Random) -> Document:
        """`document` with a share of its mentions renamed: those that are written alike, all alike.

        Everything else keeps its words; what is labelled there moves along.
        """
        chosen: dict[tuple[str, frozenset[str]], str | None] = {}
        parts: list[tuple[int, int, str]] = []
        fixed = _crossed(document)
        for span in document.spans:
            said = document.text[span.start : span.end]
            key = (said.lower(), span.allowed)
            if key not in chosen:
                chosen[key] = self._other(span.allowed, chance) if chance.random() < share else None
            name = chosen[key]
            if name is not None and span.place not in fixed:
                parts.append((span.start, span.end, _written_as(said, name)))
        return _rewritten(document, parts)

    def _other(self, allowed: frozenset[str], chance: random.Random) -> str | None:
        names = self._names.get(allowed, ())
        return chance.choice(names) if names else None


def _written_as(said: str, name: str) -> str:
    """A name at the start of a sentence keeps its capital."""
    return name[:1].upper() + name[1:] if said[:1].isupper() and name[:1].islower() else name


def _crossed(document: Document) -> set[Place]:
    """Spans that something else is labelled in, without covering all of it: they stay as they are."""
    others = [*document.judged, *(span for layer in document.layers.values() for span in layer.spans)]
    places = sorted({span.place for span in others})
    crossed = set()
    for span in document.spans:
        for start, end in places:
            apart = end <= span.start or span.end <= start
            if not apart and not (start <= span.start and span.end <= end):
                crossed.add(span.place)
    return crossed


def _rewritten(document: Document, parts: Sequence[tuple[int, int, str]]) -> Document:
    """`parts` (start, end, words instead) in order, not overlapping."""
    text, at = "", 0
    bounds, moves = [0], [0]
    for start, end, words in parts:
        text += document.text[at:start] + words
        at = end
        bounds.append(end)
        moves.append(len(text) - end)
    text += document.text[at:]

    def place(start: int, end: int) -> Place:
        """Both are bounds of spans: they lie inside of no part, but may be bounds of one."""
        return start + moves[bisect_right(bounds, start) - 1], end + moves[bisect_right(bounds, end) - 1]

    def moved(spans: Iterable[Labelled]) -> tuple[Labelled, ...]:
        return tuple(replace(s, start=a, end=b) for s in spans for a, b in [place(s.start, s.end)])

    return replace(
        document,
        text=text,
        spans=moved(document.spans),
        judged=moved(document.judged),
        layers={name: Layer(moved(own.spans), own.covered) for name, own in document.layers.items()},
        relations=tuple(
            Related(own.category, place(*own.source), place(*own.target)) for own in document.relations
        ),
    )
