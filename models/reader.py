"""The worker's half of reading a passage: text → tokens before the engine, arrays → findings after it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models import cues
from models.answers import Answer
from models.answers import PassageFault as PassageFault
from models.checkpoint import Checkpoint
from models.features import FeatureDictionary
from models.tokeniser import Tokeniser
from models.tokeniser import Tokens as Tokens
from models.types import Classified, Findings, Mention, Span

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

    def findings(self, text: str, tokens: Tokens, answer: Answer) -> Findings | PassageFault:
        """What an answer means in the passage's text. Confidences are rounded to four decimals."""
        if tokens.too_large:
            return PassageFault("too-large")
        if answer.status != "ok":
            return PassageFault(answer.status)
        kept, spans = _text_spans(text, tokens, answer.spans)
        judging = answer.assertion.shape[1] > 0
        probabilities = answer.assertion[kept] if judging else np.tile(UNJUDGED, (len(kept), 1))
        judged = cues.resolve(text, spans, probabilities)
        mentions = tuple(
            Mention(
                span=span,
                category=self._categories[answer.spans[row, 2]],
                confidence=_rounded(answer.confidence[row]),
                assertion=assertion,
                assertion_confidence=confidence,
                evidence=evidence,
            )
            for row, span, (assertion, confidence, evidence) in zip(kept, spans, judged, strict=True)
        )
        return Findings(mentions, self._classified(answer))

    def _classified(self, answer: Answer) -> tuple[Classified, ...]:
        """Labels of every task, the likeliest first."""
        return tuple(
            Classified(task, tuple((labels[i], _rounded(p[i])) for i in np.argsort(-p, kind="stable")))
            for (task, labels), p in zip(self._tasks, answer.classes, strict=True)
        )


def _text_spans(text: str, tokens: Tokens, spans: NDArray[np.int32]) -> tuple[list[int], list[Span]]:
    """Rows of `spans` that cover text, and what they cover: combining marks stay with their letter.

    Two pieces can stand for one character (a decomposed syllable): the same stretch is never named twice.
    """
    kept: dict[tuple[int, int, int], int] = {}
    for row, (first, stop, category) in enumerate(spans.tolist()):
        start, end = int(tokens.starts[first]), int(tokens.ends[stop - 1])
        while end < len(text) and unicodedata.category(text[end])[0] == "M":
            end += 1
        if start < end:
            kept.setdefault((start, end, category), row)
    return list(kept.values()), [Span(start, end) for start, end, _ in kept]


def _rounded(probability: np.float32) -> float:
    return round(float(probability), 4)
