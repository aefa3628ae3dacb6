"""Entities: one linear layer over BIO tags, read word by word.

Method: the log-probabilities of a word's pieces are summed, then the likeliest tag sequence in which an I
follows a B or I of its own category (Viterbi with hard transitions) is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.heads import Bool, Float, Int, Settings

Scores = NDArray[np.float64]


class Entities(nn.Module):
    """Tags: O, then B of every category, then I of every category."""

    reads: Literal["spans"] = "spans"

    def __init__(self, width: int, categories: Sequence[str]) -> None:
        super().__init__()
        self.categories = tuple(categories)
        self.tags = nn.Linear(width, 1 + 2 * len(self.categories))

    @classmethod
    def build(cls, width: int, settings: Settings) -> Entities:
        return cls(width, settings["categories"])

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [tokens, width] → logits [tokens, 1 + 2 · categories]."""
        logits: Tensor = self.tags(hidden)
        return logits

    def read(self, projected: Float, word_start: Bool) -> tuple[Int, Float]:
        """See `SpansHead.read`. The confidence of a span: its category's probability, averaged over words."""
        if not len(projected):
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        first = np.flatnonzero(np.append(True, word_start[1:]))
        log_probability = _log_softmax(projected.astype(np.float64))
        words = word_scores(log_probability, first)
        tags = best_tags(words)
        begin, end, category = _runs(tags, len(self.categories))
        edges = np.append(first, len(projected))
        spans = np.stack([edges[begin], edges[end], category], axis=1).astype(np.int32)
        return spans, _confidences(log_probability, first, begin, end, category)


def word_scores(log_probability: Scores, first: NDArray[np.intp]) -> Scores:
    """Piece scores [pieces, tags] → word scores [words, tags]; `first`: the first piece of every word.

    A word is B when its first piece is B and the others I; O or I when all its pieces are.
    """
    kinds = (log_probability.shape[1] - 1) // 2
    scores = np.add.reduceat(log_probability, first, axis=0)
    rest = scores[:, 1 + kinds :] - log_probability[first, 1 + kinds :]
    scores[:, 1 : 1 + kinds] = log_probability[first, 1 : 1 + kinds] + rest
    return scores


def best_tags(scores: Scores) -> NDArray[np.intp]:
    """The valid tag sequence [words] of the greatest sum of `scores` [words, tags]."""
    greedy: NDArray[np.intp] = scores.argmax(1)
    kinds = (scores.shape[1] - 1) // 2
    category = np.where(greedy > 0, (greedy - 1) % max(kinds, 1), -1)
    before = np.append(-1, category[:-1])
    if not ((greedy > kinds) & (category != before)).any():
        return greedy  # nothing is better than the best of every word, where that is allowed
    return _viterbi(scores, kinds)


def _viterbi(scores: Scores, kinds: int) -> NDArray[np.intp]:
    words = len(scores)
    came_from = np.zeros((words, 1 + 2 * kinds), np.intp)
    begins, insides = np.arange(1, 1 + kinds), np.arange(1 + kinds, 1 + 2 * kinds)
    total = scores[0].copy()
    total[1 + kinds :] = -np.inf
    for word in range(1, words):
        best = total.argmax()
        came_from[word, : 1 + kinds] = best
        from_begin = total[1 : 1 + kinds] >= total[1 + kinds :]
        came_from[word, 1 + kinds :] = np.where(from_begin, begins, insides)
        inside = np.maximum(total[1 : 1 + kinds], total[1 + kinds :])
        total = scores[word] + np.concatenate([np.full(1 + kinds, total[best]), inside])
    tags = np.zeros(words, np.intp)
    tags[-1] = total.argmax()
    for word in range(words - 1, 0, -1):
        tags[word - 1] = came_from[word, tags[word]]
    return tags


def _runs(tags: NDArray[np.intp], kinds: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """First word, end word (exclusive) and category of every entity in a valid tag sequence."""
    begin = np.flatnonzero((tags >= 1) & (tags <= kinds))
    outside = np.append(np.flatnonzero(tags <= kinds), len(tags))
    end = outside[np.searchsorted(outside, begin, side="right")]
    return begin, end, tags[begin] - 1


def _confidences(
    log_probability: Scores,
    first: NDArray[np.intp],
    begin: NDArray[np.intp],
    end: NDArray[np.intp],
    category: NDArray[np.intp],
) -> Float:
    if not len(begin):
        return np.zeros(0, np.float32)
    kinds = (log_probability.shape[1] - 1) // 2
    probability = np.exp(log_probability[:, 1:])
    either = probability[:, :kinds] + probability[:, kinds:]
    pieces = np.diff(np.append(first, len(either)))
    words = np.add.reduceat(either, first, axis=0) / pieces[:, None]
    sums = np.concatenate([np.zeros((1, kinds)), words.cumsum(0)])
    mean = (sums[end, category] - sums[begin, category]) / (end - begin)
    confidences: Float = np.clip(mean, 0.0, 1.0).astype(np.float32)
    return confidences


def _log_softmax(logits: Scores) -> Scores:
    shifted: Scores = logits - logits.max(1, keepdims=True)
    result: Scores = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return result


HEAD = Entities
