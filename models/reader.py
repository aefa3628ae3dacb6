"""The worker's half of reading a passage: text → tokens before the engine, arrays → findings after it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from models import cues
from models.answers import Answer
from models.answers import PassageFault as PassageFault
from models.checkpoint import Checkpoint
from models.features import FeatureDictionary
from models.types import Classified, Findings, Mention, Span

MOST_TOKENS = 1 << 20
"""In one passage: text without any sentence end. More would need gigabytes to put together."""
SURROGATE = re.compile("[\ud800-\udfff]")
UNJUDGED = np.array([0.8, 0.05, 0.05, 0.05, 0.05, 0.8, 0.1, 0.1, 0.8, 0.2, 0.8, 0.1, 0.1], np.float32)
"""Stands in where a checkpoint has no assertion head: the usual reading, unsure enough for any cue to win."""


@dataclass(frozen=True, eq=False, slots=True)
class Tokens:
    """Word pieces of a passage, without [CLS] and [SEP]; `starts`, `ends` in code points of its text.

    Of a passage that is `too_large` there are none.
    """

    ids: NDArray[np.int32]
    features: NDArray[np.uint8]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    too_large: bool = False

    def __len__(self) -> int:
        return len(self.ids)


class Reader:
    """Knows a checkpoint's vocabulary and labels. Thread-safe; imports no torch."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        checkpoint.require_heads()
        self._tokenizer = checkpoint.tokenizer
        self._categories = checkpoint.categories
        self._tasks = checkpoint.tasks
        self._dictionary = (
            FeatureDictionary.load(checkpoint.dictionary) if checkpoint.encoder.features else None
        )

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """One pass of the Rust tokenizer, which releases the GIL. Any text goes, lone surrogates too."""
        clean = [text if text.isascii() else SURROGATE.sub("\ufffd", text) for text in texts]
        encodings = self._tokenizer.encode_batch(clean, add_special_tokens=False)
        return [self._tokens(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

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

    def _tokens(self, text: str, encoding: Encoding) -> Tokens:
        if len(encoding) > MOST_TOKENS:
            none = np.zeros(0, np.int32)
            return Tokens(none, none.astype(np.uint8), none, none, too_large=True)
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        starts, ends = np.ascontiguousarray(offsets[:, 0]), np.ascontiguousarray(offsets[:, 1])
        if self._dictionary is None:
            features = np.zeros(len(starts), np.uint8)
        else:
            features = self._dictionary.masks(text, starts, ends)
        return Tokens(np.array(encoding.ids, np.int32), features, starts, ends)

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
