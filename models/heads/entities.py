"""Entities: one linear layer over BIO tags, read word by word.

Method: the log-probabilities of a word's pieces are summed, then the likeliest tag sequence in which an I
follows a B or I of its own category (Viterbi with hard transitions) is taken. Within a word all tags' sums
lack the same normaliser, so that the logits themselves are summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.heads import Bool, Float, Int, Settings
from models.heads.rows import chosen, put, sums
from models.ranges import ranges
from models.viterbi import mend

Scores = NDArray[np.float64]
Indices = NDArray[np.int64]


class Entities(nn.Module):
    """Tags: O, then B of every category, then I of every category.

    `exact`: a confidence speaks of where a span begins and ends, too, and not only of what it is. `alike`:
    groups of categories; a confidence speaks of a span's whole group.
    """

    reads: Literal["spans"] = "spans"

    def __init__(
        self,
        width: int,
        categories: Sequence[str],
        exact: bool = False,
        alike: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__()
        self.categories, self.exact = tuple(categories), exact
        self._alike = _alike(self.categories, alike)
        self.tags = nn.Linear(width, 1 + 2 * len(self.categories))

    @classmethod
    def build(cls, width: int, settings: Settings) -> Entities:
        return cls(width, settings["categories"], settings.get("exact", False), settings.get("alike", ()))

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [tokens, width] → logits [tokens, 1 + 2 · categories]."""
        logits: Tensor = self.tags(hidden)
        return logits

    def read(self, projected: Tensor, word_start: Bool, outside: Bool) -> tuple[Int, Float]:
        """See `SpansHead.read`. The confidence of a span: the probability of its category and those alike,
        averaged over words; if `exact`, the geometric mean of that and of how probable it is that the span is
        exactly these words.
        """
        if not len(projected):
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        starts = word_start | outside
        starts[1:] |= outside[:-1]
        starts[0] = True
        edges = np.append(np.flatnonzero(starts), len(projected))
        between = outside[edges[:-1]]
        tags = _each_best(projected, edges)
        tags[between] = 0
        mend(tags, projected.cpu().contiguous().numpy(), edges, between)
        begin, end, category = _runs(tags, len(self.categories))
        spans = np.stack([edges[begin], edges[end], category], axis=1).astype(np.int32)
        if not len(spans):
            return spans, np.zeros(0, np.float32)
        each, firsts = _probabilities(projected, edges, begin, end, self._alike[category])
        confidence = _of_category(each.sum(1), firsts, edges, begin, end)
        if self.exact:
            open_end = (end < len(between)) & ~between[np.minimum(end, len(between) - 1)]
            confidence = np.sqrt(confidence * _exactly(each, firsts, edges, begin, end, open_end))
        return spans, np.clip(confidence, 0.0, 1.0).astype(np.float32)


def word_scores(projected: Tensor, edges: Indices, words: Indices) -> Tensor:
    """Piece scores [pieces, tags] → float64 scores [words, tags] of some words; word i is pieces
    `edges[i]:edges[i + 1]`.

    A word is B when its first piece is B and the others I; O or I when all its pieces are.
    """
    first = edges[words]
    scores = chosen(projected, first).double()
    rest = edges[words + 1] - first - 1
    others = chosen(projected, ranges(first + 1, rest)).double()
    summed = sums(others, put(rest, projected))
    inside = summed[:, 1 + summed.shape[1] // 2 :]
    return scores.add_(torch.cat([summed[:, :1], inside, inside], 1))


def _each_best(projected: Tensor, edges: Indices) -> Indices:
    """The best tag of every word on its own."""
    tags = _taken(chosen(projected, edges[:-1]).argmax(1))
    several = np.flatnonzero(np.diff(edges) > 1)
    if len(several):
        tags[several] = _taken(word_scores(projected, edges, several).argmax(1))
    return tags


def _runs(tags: Indices, kinds: int) -> tuple[Indices, Indices, Indices]:
    """First word, end word (exclusive) and category of every entity in a valid tag sequence."""
    words = np.flatnonzero(tags)
    found = tags[words]
    opens = np.flatnonzero(found <= kinds)
    begin = words[opens]
    end = words[np.append(opens[1:], len(words)) - 1] + 1 if len(words) else begin
    return begin, end, found[opens] - 1


def _alike(categories: Sequence[str], groups: Sequence[Sequence[str]]) -> Indices:
    """Numbers of the categories that count together with each, its own among them, [categories, most]; −1
    where there are fewer."""
    of = {name: {name} for name in categories} | {name: set(group) for group in groups for name in group}
    members = [[n for n, other in enumerate(categories) if other in of[name]] for name in categories]
    most = max(map(len, members), default=1)
    filled = [own + [-1] * (most - len(own)) for own in members]
    return np.array(filled, np.int64).reshape(-1, most)


def _probabilities(
    projected: Tensor, edges: Indices, begin: Indices, end: Indices, members: Indices
) -> tuple[Scores, Indices]:
    """Of B and I of each span's categories, its `members` [spans, most], [pieces + spans, 2]: of all pieces
    of the spans, one span after the other, then of the piece that follows each span. Also where each span's
    first piece stands there, [spans].
    """
    lengths = edges[end] - edges[begin]
    following = np.minimum(edges[end], len(projected) - 1)
    tokens = chosen(projected, np.concatenate([ranges(edges[begin], lengths), following]))
    likely = tokens.sub_(tokens.amax(1, keepdim=True)).exp_()
    own = np.concatenate([np.repeat(members, lengths, axis=0), members])
    columns = 1 + np.maximum(own, 0)
    both = likely.gather(1, put(np.hstack([columns, columns + projected.shape[1] // 2]), projected))
    there = put(own >= 0, projected)[:, None]
    summed = (both.view(len(own), 2, -1) * there).sum(2)
    each: Scores = (summed / likely.sum(1, keepdim=True)).cpu().numpy().astype(np.float64)
    return each, np.cumsum(lengths) - lengths


def _of_category(either: Scores, firsts: Indices, edges: Indices, begin: Indices, end: Indices) -> Scores:
    """`either` [pieces + spans]: B or I. Every word of a span counts alike, and every piece of a word."""
    words = end - begin
    pieces = np.diff(edges)[ranges(begin, words)]
    weights = np.repeat(1 / (pieces * np.repeat(words, words)), pieces)
    mean: Scores = np.add.reduceat(either[: len(weights)] * weights, firsts)
    return mean


def _exactly(
    each: Scores, firsts: Indices, edges: Indices, begin: Indices, end: Indices, open_end: Bool
) -> Scores:
    """B at the first word, I at the others, and no I at the word that follows, if one does (`open_end`). The
    first piece speaks for a word.
    """
    words = end - begin
    opens = np.cumsum(words) - words
    own = each[edges[ranges(begin, words)] - np.repeat(edges[begin] - firsts, words), 1]
    own[opens] = each[firsts, 0]
    going_on = np.where(open_end, each[len(each) - len(begin) :, 1], 0.0)
    product: Scores = np.multiply.reduceat(own, opens) * np.maximum(1.0 - going_on, 0.0)
    return product


def _taken(tags: Tensor) -> Indices:
    """From the device, as few bytes."""
    return tags.to(torch.int16).cpu().numpy().astype(np.int64)


HEAD = Entities
