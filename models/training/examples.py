"""Documents → windows of tokens with what is known of them: what a training batch is made of."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from models.features import CAPITALISED, CAPITALS, LOWER, MIXED, FeatureDictionary
from models.corpora.scheme import CATEGORIES, OPEN, Document, Labelled
from models.types import AXES

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"“(\[]?[A-Z0-9])|\n+")
GROUPS = (1, 1, 2, 3, 4, 5, 6)
"""How many sentences make a passage: drawn from these."""

TAGS = 1 + 2 * len(CATEGORIES)
VALUES = tuple(value for values in AXES.values() for value in values)

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Tokens `start:stop`, and the assertion values [13] that are left open."""

    start: int
    stop: int
    values: Bools


@dataclass(frozen=True)
class Example:
    """A document's tokens. `tags` [tokens]: rows of the table of allowed tag sets; `cuts`: tokens at which a
    sentence starts, then the number of tokens."""

    ids: NDArray[np.int32]
    features: NDArray[np.uint8]
    tags: NDArray[np.int32]
    judged: tuple[Judged, ...]
    cuts: tuple[int, ...]


class TagSets:
    """The distinct sets of allowed tags, as rows of one table."""

    def __init__(self) -> None:
        self._rows: dict[bytes, int] = {}

    def number(self, allowed: Bools) -> int:
        return self._rows.setdefault(allowed.tobytes(), len(self._rows))

    def table(self) -> Tensor:
        """bool [sets, tags]."""
        return torch.from_numpy(np.stack([np.frombuffer(row, np.bool_) for row in self._rows]))


def tag_set(begin: Iterable[str] = (), inside: Iterable[str] = (), outside: bool = False) -> Bools:
    """Allowed tags [1 + 2 · categories] in the order of the entities head: O, every B, every I."""
    allowed = np.zeros(TAGS, np.bool_)
    allowed[0] = outside
    allowed[[1 + CATEGORIES.index(c) for c in begin]] = True
    allowed[[1 + len(CATEGORIES) + CATEGORIES.index(c) for c in inside]] = True
    return allowed


class Preparer:
    """Turns documents into examples, one tokenizer, dictionary and table of tag sets for all."""

    def __init__(self, tokenizer: Tokenizer, dictionary: FeatureDictionary) -> None:
        self._tokenizer = tokenizer
        self._dictionary = dictionary
        self.sets = TagSets()

    def prepare(self, documents: Sequence[Document]) -> list[Example]:
        encodings = self._tokenizer.encode_batch([d.text for d in documents], add_special_tokens=False)
        return [
            self._example(document, encoding.ids, encoding.offsets)
            for document, encoding in zip(documents, encodings, strict=True)
        ]

    def _example(self, document: Document, ids: list[int], offsets: list[tuple[int, int]]) -> Example:
        starts, ends = np.array(offsets, np.int32).reshape(-1, 2).T
        judged = tuple(
            Judged(first, stop, _values(span))
            for span in (*document.spans, *document.judged)
            if span.axes != OPEN
            for first, stop in [_tokens(span, starts, ends)]
            if first < stop
        )
        return Example(
            ids=np.array(ids, np.int32),
            features=self._dictionary.masks(document.text, starts, ends),
            tags=self._tags(document, starts, ends),
            judged=judged,
            cuts=_cuts(document, starts),
        )

    def _tags(
        self, document: Document, starts: NDArray[np.int32], ends: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        rest = set(CATEGORIES) - document.covered
        tags = np.full(len(starts), self.sets.number(tag_set(rest, rest, outside=True)), np.int32)
        for span in document.spans:
            first, stop = _tokens(span, starts, ends)
            if first == stop:
                continue
            if not span.allowed:
                tags[first:stop] = self.sets.number(np.ones(TAGS, np.bool_))
                continue
            tags[first] = self.sets.number(tag_set(begin=span.allowed))
            tags[first + 1 : stop] = self.sets.number(tag_set(inside=span.allowed))
            if stop < len(tags) and not document.covered:
                tags[stop] = self.sets.number(tag_set(rest, rest - span.allowed, outside=True))
        return tags


def _values(span: Labelled) -> Bools:
    return np.array(
        [v in left for left, values in zip(span.axes, AXES.values(), strict=True) for v in values]
    )


def _tokens(span: Labelled, starts: NDArray[np.int32], ends: NDArray[np.int32]) -> tuple[int, int]:
    """First token and end token of what a span covers, if only in part."""
    first = int(np.searchsorted(ends, span.start, side="right"))
    return first, max(first, int(np.searchsorted(starts, span.end, side="left")))


def _cuts(document: Document, starts: NDArray[np.int32]) -> tuple[int, ...]:
    """Sentence starts as token numbers; never inside a span."""
    places = [0, *(match.end() for match in SENTENCE_END.finditer(document.text))]
    spans = (*document.spans, *document.judged)
    free = [p for p in places if not any(span.start < p < span.end for span in spans)]
    return (*sorted({int(n) for n in np.searchsorted(starts, free) if n < len(starts)}), len(starts))


@dataclass(frozen=True)
class Window:
    """Tokens `start:stop` of an example: a passage as the encoder will see it, without [CLS] and [SEP]."""

    example: Example
    start: int
    stop: int


def passages(example: Example, limit: int, chance: random.Random) -> list[Window]:
    """The whole example as passages of one to six consecutive sentences, of at most `limit` tokens."""
    windows = []
    at = 0
    while at < len(example.cuts) - 1:
        start = example.cuts[at]
        at = min(at + chance.choice(GROUPS), len(example.cuts) - 1)
        while example.cuts[at] - start > limit and example.cuts[at - 1] > start:
            at -= 1
        stop = example.cuts[at]
        windows += [Window(example, a, min(a + limit, stop)) for a in range(start, stop, limit)]
    return windows


@dataclass(frozen=True)
class Batch:
    """Packed windows with their [CLS] and [SEP].

    `ids`, `features`, `tags` [tokens]: tags are rows of the table of tag sets, −1 where nothing is learned.
    `spans` [m, 2]: judged tokens; `values` bool [m, 13]: what is left open of them.
    """

    ids: Tensor
    features: Tensor
    lengths: list[int]
    tags: Tensor
    spans: Tensor
    values: Tensor


def collate(windows: Sequence[Window], cls_id: int, sep_id: int, chance: random.Random) -> Batch:
    ids, features, tags, spans, values, lengths = [], [], [], [], [], list[int]()
    at = 0
    for window in windows:
        part = slice(window.start, window.stop)
        ids.append(np.concatenate([[cls_id], window.example.ids[part], [sep_id]]))
        features.append(np.pad(_recased(window.example.features[part], chance), 1))
        tags.append(np.pad(window.example.tags[part], 1, constant_values=-1))
        for judged in window.example.judged:
            if window.start <= judged.start and judged.stop <= window.stop:
                shift = at + 1 - window.start
                spans.append((judged.start + shift, judged.stop + shift))
                values.append(judged.values)
        lengths.append(window.stop - window.start + 2)
        at += lengths[-1]
    return Batch(
        ids=torch.from_numpy(np.concatenate(ids)).long(),
        features=torch.from_numpy(np.concatenate(features)).long(),
        lengths=lengths,
        tags=torch.from_numpy(np.concatenate(tags)).long(),
        spans=torch.tensor(spans, dtype=torch.long).reshape(-1, 2),
        values=torch.from_numpy(np.stack(values) if values else np.zeros((0, len(VALUES)), np.bool_)),
    )


def _recased(features: NDArray[np.uint8], chance: random.Random) -> NDArray[np.uint8]:
    """Now and then a passage all in capitals, all in lower case, or without dictionary: notes are so."""
    draw = chance.random()
    if draw > 0.15:
        return features
    if draw > 0.10:
        return features & np.uint8(7)
    case = features & np.uint8(7)
    letters = (case >= LOWER) & (case <= MIXED)
    assert LOWER < CAPITALISED < CAPITALS < MIXED
    replaced = np.where(letters, CAPITALS if draw > 0.05 else LOWER, case)
    return ((features & np.uint8(0x78)) | replaced).astype(np.uint8)


def batches(windows: Sequence[Window], tokens: int, chance: random.Random) -> list[list[Window]]:
    """Windows in random order, cut into batches of about `tokens` tokens."""
    order = list(windows)
    chance.shuffle(order)
    cut: list[list[Window]] = [[]]
    size = 0
    for window in order:
        length = window.stop - window.start + 2
        if cut[-1] and size + length > tokens:
            cut.append([])
            size = 0
        cut[-1].append(window)
        size += length
    return cut
