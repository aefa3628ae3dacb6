"""What is asked of a window → its score, in log-odds, as a function of the window's hidden states.

The one place that knows how heads turn hidden states into what a record says; everything here can be
differentiated. Of a span: that every word of it (for Hugging Face's heads every token) is tagged so, each
word taken by itself, as the confidence of an entity is. Of an assertion: the value against all others of its
axis. Of a class: the label against all others, or its absence where labels do not exclude each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.checkpoint import Checkpoint
from models.explaining.questions import ASSERTION, LABEL, SPAN, words
from models.heads import Settings
from models.heads.assertion import Assertion
from models.huggingface import split_label
from models.types import AXES
from models.weights import Heads

CERTAIN = -1e-12
"""The logarithm of a probability is taken to be at most this: log-odds stay finite."""

Numbers = NDArray[np.int64]


class Local(NamedTuple):
    """A question in a window: `kind`, `a` and `b` as in `Asked`; rows `first:end` of the window."""

    kind: int
    first: int
    end: int
    a: int
    b: int


class Targets:
    """Scores by the heads of a checkpoint."""

    def __init__(self, checkpoint: Checkpoint, heads: Heads) -> None:
        self._heads = heads
        self._layers = [_columns(head) for head in checkpoint.heads if "categories" in head]
        tasks = {getattr(head, "task", None): head for head in heads.classes}
        self._classes = [tasks[task.name] for task in checkpoint.tasks]
        self._word_start = checkpoint.word_start

    def __call__(self, hidden: Tensor, ids: NDArray[np.int32], asked: Sequence[Local]) -> Tensor:
        """`hidden` [points, tokens, width] of a window with tokens `ids` → scores float64 [points, m]."""
        scores: dict[int, Callable[[Tensor, NDArray[np.int32], Local], Tensor]] = {
            SPAN: self._span,
            ASSERTION: self._assertion,
            LABEL: self._label,
        }
        return torch.stack([scores[local.kind](hidden, ids, local) for local in asked], 1)

    def _span(self, hidden: Tensor, ids: NDArray[np.int32], local: Local) -> Tensor:
        head, columns = self._heads.spans[local.a], self._layers[local.a]
        own = head.project(hidden[:, local.first : local.end].float()).double()
        places = words(ids[local.first : local.end], self._word_start)
        if columns is None:
            return _log_odds(_tagged(own, places, len(head.categories), local.b))
        among = torch.from_numpy(columns[local.b]).to(own.device)
        likely = own.log_softmax(2).index_select(2, among).logsumexp(2)
        return _log_odds(likely.sum(1))

    def _assertion(self, hidden: Tensor, ids: NDArray[np.int32], local: Local) -> Tensor:
        head = cast(Assertion, self._heads.assertion)
        means = head.project(hidden[:, local.first : local.end].float()).mean(1)
        sizes = [len(values) for values in AXES.values()]
        return _against_others(torch.split(head.judge(means).double(), sizes, 1)[local.a], local.b)

    def _label(self, hidden: Tensor, ids: NDArray[np.int32], local: Local) -> Tensor:
        head = self._classes[local.a]
        rows = hidden[:, 0].float()
        if head.pooled:
            rows = torch.cat([rows, hidden.float().mean(1)], 1)
        logits = head.project(rows).double()
        if head.bag is not None:
            pieces = torch.from_numpy(ids).to(logits.device)
            logits = logits + head.bag(pieces, torch.tensor([len(ids)], device=logits.device))
        return logits[:, local.b] if _independent(head) else _against_others(logits, local.b)


def _columns(settings: Settings) -> list[Numbers] | None:
    """For Hugging Face's labels, which columns say each category; None: B and I of each, as ours are."""
    if settings["kind"] != "token_classes":
        return None
    names = [split_label(label)[1] for label in settings["labels"]]
    return [np.flatnonzero([name == own for name in names]) for own in settings["categories"]]


def _tagged(logits: Tensor, places: Sequence[tuple[int, int]], categories: int, category: int) -> Tensor:
    """Log-probability [points] that the words are B, I, I … of a category; `logits` [points, tokens, tags].

    As the head reads: a word is B when its first piece is B and the others I; O or I when all its pieces are.
    """
    total = torch.zeros(len(logits), dtype=logits.dtype, device=logits.device)
    for number, (first, end) in enumerate(places):
        rest = logits[:, first + 1 : end].sum(1)
        inside = rest[:, 1 + categories :]
        scores = logits[:, first] + torch.cat([rest[:, :1], inside, inside], 1)
        tag = 1 + category + (categories if number else 0)
        total = total + scores.log_softmax(1)[:, tag]
    return total


def _against_others(logits: Tensor, chosen: int) -> Tensor:
    """Log-odds of a choice under softmax; the logit itself where there is nothing else to choose."""
    others = [place for place in range(logits.shape[1]) if place != chosen]
    return logits[:, chosen] - logits[:, others].logsumexp(1) if others else logits[:, chosen]


def _log_odds(log_probability: Tensor) -> Tensor:
    sure = log_probability.clamp(max=CERTAIN)
    return sure - torch.log(-torch.expm1(sure))


def _independent(head: object) -> bool:
    return bool(getattr(head, "independent", getattr(head, "_independent", False)))
