"""The worker's half of reading a passage: text → tokens before the engine, arrays → findings after it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from models import cues
from models.answers import STATUSES, Answers
from models.answers import PassageFault as PassageFault
from models.checkpoint import Checkpoint
from models.features import FeatureDictionary
from models.tokeniser import Tokeniser
from models.tokeniser import Tokens as Tokens
from models.types import Classified, Findings, Mention, Span

OK = STATUSES.index("ok")
UNJUDGED = np.array([0.8, 0.05, 0.05, 0.05, 0.05, 0.8, 0.1, 0.1, 0.8, 0.2, 0.8, 0.1, 0.1], np.float32)
"""Stands in where a checkpoint has no assertion head: the usual reading, unsure enough for any cue to win."""


class Reader:
    """Knows a checkpoint's vocabulary and labels. Thread-safe; imports no torch."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        checkpoint.require_heads()
        self._categories = checkpoint.categories
        self._tasks = checkpoint.tasks
        features = FeatureDictionary.load(checkpoint.dictionary) if checkpoint.encoder.features else None
        self._tokeniser = Tokeniser(checkpoint.tokenizer, features)

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of every text. Any text goes, lone surrogates too."""
        return self._tokeniser(texts)

    def findings(
        self, texts: Sequence[str], tokens: Sequence[Tokens], answers: Answers
    ) -> list[Findings | PassageFault]:
        """What the answers mean in each text. Confidences are rounded to four decimals."""
        mentions, classified = self._mentions(texts, tokens, answers), self._classified(answers)
        return [
            PassageFault("too-large")
            if own.too_large
            else PassageFault(STATUSES[status])
            if status != OK
            else Findings(mentioned, labels)
            for own, status, mentioned, labels in zip(
                tokens, answers.status.tolist(), mentions, classified, strict=True
            )
        ]

    def _mentions(
        self, texts: Sequence[str], tokens: Sequence[Tokens], answers: Answers
    ) -> list[tuple[Mention, ...]]:
        places = _places(tokens, answers)
        bounds = pairwise(accumulate(answers.counts.tolist(), initial=0))
        kept = [_covering(text, places[a:b], a) for text, (a, b) in zip(texts, bounds, strict=True)]
        spans = [[Span(start, end) for start, end, _ in places] for places in kept]
        rows = [row for places in kept for row in places.values()]
        judging = answers.assertion.shape[1] > 0
        probabilities = answers.assertion[rows] if judging else np.tile(UNJUDGED, (len(rows), 1))
        judged = iter(cues.resolve(list(zip(texts, spans, strict=True)), probabilities))
        confidences = iter(_rounded(answers.confidence[rows]))
        return [
            tuple(
                Mention(span, self._categories[category], next(confidences), *next(judged))
                for span, (_, _, category) in zip(own, places, strict=True)
            )
            for own, places in zip(spans, kept, strict=True)
        ]

    def _classified(self, answers: Answers) -> list[tuple[Classified, ...]]:
        """Of each passage the labels of every task, the likeliest first."""
        if not self._tasks:
            return [()] * len(answers)
        classified: list[list[Classified]] = [[] for _ in range(len(answers))]
        bounds = pairwise(accumulate(answers.labels, initial=0))
        for (task, labels), (a, b) in zip(self._tasks, bounds, strict=True):
            probabilities = answers.classes[:, a:b]
            ranks = np.argsort(-probabilities, axis=1, kind="stable").tolist()
            for own, ranked, row in zip(classified, ranks, map(_rounded, probabilities), strict=True):
                own.append(Classified(task, tuple((labels[i], row[i]) for i in ranked)))
        return [tuple(own) for own in classified]


Place = tuple[int, int, int]
"""Start, end, category."""


def _places(tokens: Sequence[Tokens], answers: Answers) -> list[Place]:
    """Where in its passage's text every span begins and ends."""
    none = np.zeros(0, np.int32)
    sizes = np.array([len(own) for own in tokens], np.int64)
    base = np.repeat(np.cumsum(sizes) - sizes, answers.counts)
    starts = np.concatenate([none, *(own.starts for own in tokens)])[answers.spans[:, 0] + base]
    ends = np.concatenate([none, *(own.ends for own in tokens)])[answers.spans[:, 1] - 1 + base]
    return list(zip(starts.tolist(), ends.tolist(), answers.spans[:, 2].tolist(), strict=True))


def _covering(text: str, places: Sequence[Place], first: int) -> dict[Place, int]:
    """Those that cover text, each with its number from `first` on: combining marks stay with their letter.

    Two pieces can stand for one character (a decomposed syllable): the same stretch is never named twice.
    """
    kept: dict[Place, int] = {}
    for row, (start, end, category) in enumerate(places, first):
        while end < len(text) and unicodedata.category(text[end])[0] == "M":
            end += 1
        if start < end:
            kept.setdefault((start, end, category), row)
    return kept


def _rounded(probabilities: NDArray[np.float32]) -> list[float]:
    rounded: list[float] = probabilities.astype(np.float64).round(4).tolist()
    return rounded
