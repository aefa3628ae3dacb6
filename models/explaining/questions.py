"""The worker's half of explaining: a record → what is asked of the encoder; its weights → words of the note.

Pure, and without torch: nothing but numbers goes to where the encoder is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.explanation import DIGITS, Explanation, Kind, Method, Word
from models.tokeniser import Tokens
from models.types import AXES, Annotation, Passage, Span

SPAN, ASSERTION, LABEL = range(3)
"""Kinds of questions: is it this category, is this value its axis', does the passage have this label."""
COLUMNS = 6
PHI = "phi"
"""The layer of spans that are protected health information."""
FROM = 0.5
"""A label that is at least so sure is explained, and the likeliest of its task in any case."""
LEAST_CHANGE = 0.5
"""Log-odds below which a completeness error is no longer a share of the change: it would mean nothing."""

Int = NDArray[np.int32]
Float = NDArray[np.float64]


class Target(NamedTuple):
    """What an explanation is of; `questions`: which of those asked are its own, with their shares."""

    kind: Kind
    reference: str | None
    task: str
    label: str
    questions: tuple[tuple[int, float], ...]


class Asked(NamedTuple):
    """`questions` int32 [m, 6]: kind, passage, first token, end token, and two numbers.

    SPAN: layer and category in it; ASSERTION: axis and value; LABEL: task and label, tokens 0 and 0.
    """

    targets: tuple[Target, ...]
    questions: Int


class Weighed(NamedTuple):
    """The answers: `scores`, `baselines` float64 [m], the latter NaN where a method has none; `weights`
    float32: of every question all tokens of its passage, one question after another."""

    scores: Float
    baselines: Float
    weights: NDArray[np.float32]


def ask(
    annotation: Annotation,
    passages: Sequence[Passage],
    tokens: Sequence[Tokens],
    checkpoint: Checkpoint,
    *,
    every_axis: bool = False,
) -> Asked:
    """What there is to explain in a record; `passages` and their `tokens` are those that it was read from.

    Of an assertion its certainty, and every axis that is not as usual; all four with `every_axis`. What no
    head of the checkpoint could have said (found by a pattern alone) is not asked.
    """
    asking = _Asking(passages, tokens, checkpoint)
    for entity in annotation.entities:
        asking.span("entity", entity.id, entity.span, entity.category)
        if asking.judges:
            for axis, values in AXES.items():
                value = getattr(entity.assertion, axis)
                if every_axis or axis == "certainty" or value != values[0]:
                    asking.assertion(entity.id, entity.span, axis, value)
    for found in annotation.phi:
        asking.span("phi", found.id, found.span, found.category)
    for classification in annotation.classifications:
        for place, label in enumerate(classification.labels):
            if place == 0 or label.confidence >= FROM:
                asking.label(classification.task, label.label)
    questions = np.array(asking.questions, np.int32).reshape(-1, COLUMNS)
    return Asked(tuple(asking.targets), questions)


class _Asking:
    """Gathers questions, each for a place among the tokens."""

    def __init__(self, passages: Sequence[Passage], tokens: Sequence[Tokens], checkpoint: Checkpoint) -> None:
        self._passages, self._tokens = passages, tokens
        self._starts = [passage.span.start for passage in passages]
        self._layers = checkpoint.layers
        self._tasks = {task.name: (n, task.labels) for n, task in enumerate(checkpoint.tasks)}
        self.judges = any(head["kind"] == "assertion" for head in checkpoint.heads)
        self.targets: list[Target] = []
        self.questions: list[tuple[int, ...]] = []

    def span(self, kind: Kind, reference: str, span: Span, category: str) -> None:
        place = self._place(span)
        layer = self._layer(category, phi=kind == "phi")
        if place is not None and layer is not None:
            self._add(Target(kind, reference, "category", category, ()), [((SPAN, *place, *layer), 1.0)])

    def assertion(self, reference: str, span: Span, axis: str, value: str) -> None:
        if (place := self._place(span)) is not None:
            numbers = list(AXES).index(axis), AXES[axis].index(value)
            self._add(Target("assertion", reference, axis, value, ()), [((ASSERTION, *place, *numbers), 1.0)])

    def label(self, task: str, label: str) -> None:
        """Of the whole note: every passage by its length, as labels of passages become those of a note."""
        number, labels = self._tasks.get(task, (0, ()))
        whole = sum(len(p.text) for p, own in zip(self._passages, self._tokens, strict=True) if len(own))
        if label in labels:
            rows = [
                ((LABEL, place, 0, 0, number, labels.index(label)), len(passage.text) / whole)
                for place, (passage, own) in enumerate(zip(self._passages, self._tokens, strict=True))
                if len(own)
            ]
            self._add(Target("class", None, task, label, ()), rows)

    def _add(self, target: Target, rows: Sequence[tuple[tuple[int, ...], float]]) -> None:
        first = len(self.questions)
        self.questions += [row for row, _ in rows]
        own = tuple((first + place, share) for place, (_, share) in enumerate(rows))
        self.targets.append(target._replace(questions=own))

    def _place(self, span: Span) -> tuple[int, int, int] | None:
        """Passage, first token, end token of a place in the note; None where no token is."""
        number = bisect_right(self._starts, span.start) - 1
        if number < 0:
            return None
        own, base = self._tokens[number], self._starts[number]
        touched = np.flatnonzero((own.starts < span.end - base) & (own.ends > span.start - base))
        return (number, int(touched[0]), int(touched[-1]) + 1) if len(touched) else None

    def _layer(self, category: str, *, phi: bool) -> tuple[int, int] | None:
        for number, (layer, categories) in enumerate(self._layers):
            if category in categories and (layer == PHI) == phi:
                return number, categories.index(category)
        return None


def tell(
    asked: Asked,
    weighed: Weighed,
    passages: Sequence[Passage],
    tokens: Sequence[Tokens],
    word_start: NDArray[np.bool_],
    method: Method,
) -> tuple[Explanation, ...]:
    """The answers in words of the note, target by target."""
    sizes = np.array([len(tokens[passage]) for passage in asked.questions[:, 1]], np.int64)
    edges = np.append(0, np.cumsum(sizes))
    places = [_words(passage, own, word_start) for passage, own in zip(passages, tokens, strict=True)]
    told = []
    for target in asked.targets:
        words: list[Word] = []
        score = baseline = total = 0.0
        for number, share in target.questions:
            passage = int(asked.questions[number, 1])
            weights = weighed.weights[edges[number] : edges[number + 1]].astype(np.float64) * share
            score += share * float(weighed.scores[number])
            baseline += share * float(weighed.baselines[number])
            total += float(weights.sum())
            words += _weighted(places[passage], weights)
        words.sort(key=lambda word: (-abs(word.weight), word.span.start))
        complete = method in ("ig", "shap")
        error = abs(total - (score - baseline)) / max(abs(score - baseline), LEAST_CHANGE)
        told.append(
            Explanation(
                kind=target.kind,
                reference=target.reference,
                task=target.task,
                label=target.label,
                method=method,
                score=round(score, DIGITS),
                baseline=None if np.isnan(baseline) else round(baseline, DIGITS),
                completeness_error=round(error, DIGITS) if complete else None,
                words=tuple(words),
            )
        )
    return tuple(told)


class _Place(NamedTuple):
    """A word: its tokens, its span in the note, its text."""

    first: int
    end: int
    span: Span
    text: str


def _words(passage: Passage, tokens: Tokens, word_start: NDArray[np.bool_]) -> list[_Place]:
    return list(_each_word(passage, tokens, word_start))


def _each_word(passage: Passage, tokens: Tokens, word_start: NDArray[np.bool_]) -> Iterator[_Place]:
    for first, end in words(tokens.ids, word_start):
        start, stop = int(tokens.starts[first]), int(tokens.ends[first:end].max())
        span = Span(start, stop).shift(passage.span.start)
        yield _Place(first, end, span, passage.text[start:stop])


def words(ids: NDArray[np.int32], word_start: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and end token of every word of some ids; the first token starts one in any case."""
    starts = word_start[ids]
    starts[:1] = True
    edges = np.append(np.flatnonzero(starts), len(ids)).tolist()
    return list(pairwise(edges))


def _weighted(places: Sequence[_Place], weights: Float) -> list[Word]:
    """Every word that weighs something."""
    found = []
    for first, end, span, text in places:
        weight = round(float(weights[first:end].sum()), DIGITS)
        if weight and span.start < span.end:
            found.append(Word(span, text, weight))
    return found
