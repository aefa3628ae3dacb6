"""Documents → tokens with all that is known of them: what the windows of training are cut from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from models.corpora.scheme import MEDICATION, OPEN, PROBLEM, Document, Labelled, Place
from models.features import FeatureDictionary
from models.training.scheme import EFFECT, Scheme
from models.types import AXES

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"“(\[]?[A-Z0-9])|\n+")
VALUES = tuple(value for values in AXES.values() for value in values)
NOTHING = -1
"""Instead of a row of the table of tag sets: nothing is known of this token."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]
Tokens = tuple[int, int]


@dataclass(frozen=True)
class Judged:
    """Tokens `start:stop`, and the assertion values [13] that are left open."""

    start: int
    stop: int
    values: Bools


@dataclass(frozen=True)
class Ends:
    """Spans that relations may join, m of them: tokens [m, 2], the kinds that each may be [m, kinds].

    `gold`: (source, target, relation) by number. `related` [relations]: of which there are no others.
    `codes`: of each span; `code_gold`: (relation, source code, target code) of the document as a whole.
    """

    tokens: Ints
    kinds: Bools
    gold: frozenset[tuple[int, int, int]]
    related: Bools
    codes: tuple[tuple[str, ...], ...]
    code_gold: frozenset[tuple[int, str, str]]


@dataclass(frozen=True)
class Example:
    """A document's tokens. `tags`: by layer [tokens], rows of its table of allowed tag sets or `NOTHING`;
    `cuts`: tokens at which a sentence starts, then the number of tokens; `classes`: by task bool [labels];
    `soft`: by layer [tokens, tags], how probable teachers find each tag.
    """

    corpus: str
    ids: Ints
    features: NDArray[np.uint8]
    tags: dict[str, Ints]
    judged: tuple[Judged, ...]
    ends: Ends | None
    cuts: tuple[int, ...]
    classes: dict[str, Bools] = field(default_factory=dict)
    soft: dict[str, NDArray[np.float16]] = field(default_factory=dict)


class TagSets:
    """The distinct sets of allowed tags of one layer, as rows of one table.

    Tags are in the order of the entities head: O, every B, every I.
    """

    def __init__(self, categories: Sequence[str]) -> None:
        self._place = {category: number for number, category in enumerate(categories)}
        self._rows: dict[bytes, int] = {}
        self._table = torch.zeros(0, 1 + 2 * len(categories), dtype=torch.bool)
        self.categories = frozenset(categories)

    def number(self, begin: Iterable[str] = (), inside: Iterable[str] = (), outside: bool = False) -> int:
        allowed = np.zeros(1 + 2 * len(self._place), np.bool_)
        allowed[0] = outside
        allowed[[1 + self._place[c] for c in begin]] = True
        allowed[[1 + len(self._place) + self._place[c] for c in inside]] = True
        return self._rows.setdefault(allowed.tobytes(), len(self._rows))

    def table(self) -> Tensor:
        """bool [sets, tags]."""
        if len(self._table) < len(self._rows):
            self._table = torch.from_numpy(np.stack([np.frombuffer(row, np.bool_) for row in self._rows]))
        return self._table


class Preparer:
    """Turns documents into examples, one tokenizer, dictionary and table of tag sets for all."""

    def __init__(self, tokenizer: Tokenizer, dictionary: FeatureDictionary, scheme: Scheme) -> None:
        self._tokenizer = tokenizer
        self._dictionary = dictionary
        self.scheme = scheme
        self.sets = {layer: TagSets(categories) for layer, categories in scheme.layers.items()}
        self._kinds = {kind: number for number, kind in enumerate(scheme.kinds)}
        self._relations = {category: number for number, category in enumerate(scheme.relations)}

    def prepare(self, documents: Sequence[Document]) -> list[Example]:
        encodings = self._tokenizer.encode_batch([d.text for d in documents], add_special_tokens=False)
        return [
            self._example(document, encoding.ids, encoding.offsets)
            for document, encoding in zip(documents, encodings, strict=True)
        ]

    def _example(self, document: Document, ids: list[int], offsets: list[Tokens]) -> Example:
        starts, ends = np.array(offsets, np.int32).reshape(-1, 2).T
        judged = tuple(
            Judged(first, stop, _values(span))
            for span in (*document.spans, *document.judged)
            if span.axes != OPEN
            for first, stop in [tokens_of(span.place, starts, ends)]
            if first < stop
        )
        return Example(
            corpus=document.corpus,
            ids=np.array(ids, np.int32),
            features=self._dictionary.masks(document.text, starts, ends),
            tags=self._tags(document, starts, ends),
            judged=judged if self.scheme.assertion else (),
            ends=self._ends(document, starts, ends),
            cuts=_cuts(document, starts),
            classes=self._classes(document),
        )

    def _tags(self, document: Document, starts: Ints, ends: Ints) -> dict[str, Ints]:
        tags = {}
        if "entities" in self.sets and (document.spans or document.covered):
            sets = self.sets["entities"]
            tags["entities"] = _tagged(sets, document.spans, document.covered, starts, ends)
        for layer, labelled in document.layers.items():
            if layer in self.sets:
                tags[layer] = _tagged(self.sets[layer], labelled.spans, labelled.covered, starts, ends)
        return tags

    def _ends(self, document: Document, starts: Ints, ends: Ints) -> Ends | None:
        if not self._relations or not (document.related or document.code_pairs):
            return None
        spans = {
            span.place: span
            for span in _joined(document)
            if span.allowed and span.allowed <= self._kinds.keys()
        }
        places = list(spans)
        tokens = [tokens_of(place, starts, ends) for place in places]
        number = {place: i for i, place in enumerate(places) if tokens[i][0] < tokens[i][1]}
        kinds = np.zeros((len(places), len(self._kinds)), np.bool_)
        for row, span in zip(kinds, spans.values(), strict=True):
            row[[self._kinds[kind] for kind in span.allowed]] = True
        return Ends(
            tokens=np.array(tokens, np.int32).reshape(-1, 2),
            kinds=kinds,
            gold=frozenset(
                (number[own.source], number[own.target], self._relations[own.category])
                for own in document.relations
                if own.category in self._relations and own.source in number and own.target in number
            ),
            related=np.array([category in document.related for category in self._relations]),
            codes=tuple(span.codes for span in spans.values()),
            code_gold=frozenset(
                (self._relations[category], source, target)
                for category, source, target in document.code_pairs
                if category in self._relations
            ),
        )

    def _classes(self, document: Document) -> dict[str, Bools]:
        return {
            name: np.array([label in document.classes[name] for label in task.labels])
            for name, task in self.scheme.tasks.items()
            if name in document.classes
        }


def _joined(document: Document) -> Iterable[Labelled]:
    """What relations may join: entities, and the drugs and effects of events."""
    yield from document.spans
    known = {span.place for span in document.spans}
    events = document.layers.get("events")
    for span in events.spans if events else ():
        if span.allowed == {"DRUG"} and span.place not in known:
            yield Labelled(span.start, span.end, MEDICATION)
        elif span.allowed == {EFFECT}:
            yield Labelled(span.start, span.end, PROBLEM | {EFFECT})


def _tagged(
    sets: TagSets, spans: Iterable[Labelled], covered: frozenset[str], starts: Ints, ends: Ints
) -> Ints:
    rest = sets.categories - covered
    tags = np.full(len(starts), sets.number(rest, rest, outside=True), np.int32)
    anything = sets.number(sets.categories, sets.categories, outside=True)
    for span in spans:
        first, stop = tokens_of(span.place, starts, ends)
        if first == stop:
            continue
        if not span.allowed:
            tags[first:stop] = anything
            continue
        tags[first] = sets.number(begin=span.allowed)
        tags[first + 1 : stop] = sets.number(inside=span.allowed)
        if stop < len(tags) and span.allowed & rest:
            tags[stop] = sets.number(rest, rest - span.allowed, outside=True)
    return tags


def _values(span: Labelled) -> Bools:
    return np.array(
        [v in left for left, values in zip(span.axes, AXES.values(), strict=True) for v in values]
    )


def tokens_of(place: Place, starts: Ints, ends: Ints) -> Tokens:
    """First token and end token of what a place covers, if only in part."""
    first = int(np.searchsorted(ends, place[0], side="right"))
    return first, max(first, int(np.searchsorted(starts, place[1], side="left")))


def _cuts(document: Document, starts: Ints) -> tuple[int, ...]:
    """Sentence starts as token numbers; never inside a span."""
    places = [0, *(match.end() for match in SENTENCE_END.finditer(document.text))]
    spans = [*document.spans, *document.judged, *(s for own in document.layers.values() for s in own.spans)]
    inside = {p for span in spans for p in range(span.start + 1, span.end)}
    free = [p for p in places if p not in inside]
    return (*sorted({int(n) for n in np.searchsorted(starts, free) if n < len(starts)}), len(starts))
