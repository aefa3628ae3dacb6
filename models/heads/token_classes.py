"""Hugging Face's `BertForTokenClassification`: one linear layer, any labels in BIO or BILOU (BIOES)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.heads import Bool, Float, Int, Settings
from models.huggingface import split_label
from models.ranges import ranges

OPENS, CLOSES = ("B", "S", "U"), ("E", "L", "S", "U")


class TokenClasses(nn.Module):
    """`labels` as in `id2label`; `categories`: what they name, prefixes and "O" left out."""

    reads: Literal["spans"] = "spans"

    def __init__(self, width: int, labels: Sequence[str], categories: Sequence[str]) -> None:
        super().__init__()
        self.classifier = nn.Linear(width, len(labels))
        self.categories = tuple(categories)
        prefixes, names = zip(*map(split_label, labels), strict=True)
        self._category = np.array(
            [-1 if name is None else self.categories.index(name) for name in names], dtype=np.int32
        )
        self._opens = np.array([prefix in OPENS for prefix in prefixes])
        self._closes = np.array([prefix in CLOSES for prefix in prefixes])

    @classmethod
    def build(cls, width: int, settings: Settings) -> TokenClasses:
        return cls(width, settings["labels"], settings["categories"])

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [tokens, width] → logits [tokens, labels]."""
        logits: Tensor = self.classifier(hidden)
        return logits

    def read(self, projected: Tensor, word_start: Bool, outside: Bool) -> tuple[Int, Float]:
        """See `SpansHead.read`. The best label of every token on its own; neighbours of one category join,
        unless the left one closes (L, E, U, S) or the right one opens (B, U, S).

        For BIO this is what transformers calls `aggregation_strategy="simple"`; the confidence is the mean
        of the tokens' probabilities, as there.
        """
        if not len(projected):
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        best = projected.argmax(1).cpu().numpy()
        category = self._category[best]
        category[outside] = -1
        starts = np.ones(len(best), dtype=np.bool_)
        starts[1:] = (category[1:] != category[:-1]) | self._opens[best[1:]] | self._closes[best[:-1]]
        first = np.flatnonzero(starts)
        end = np.append(first[1:], len(best))
        entity = category[first] >= 0
        first, end = first[entity], end[entity]
        spans = np.stack([first, end, category[first]], axis=1).astype(np.int32)
        return spans, _confidences(projected, first, end - first)


def _confidences(projected: Tensor, first: np.ndarray, lengths: np.ndarray) -> Float:
    if not len(first):
        return np.zeros(0, np.float32)
    rows = torch.from_numpy(ranges(first, lengths)).to(projected.device)
    tokens = projected.index_select(0, rows).double()
    likely = (tokens - tokens.amax(1, keepdim=True)).exp_()
    probability = (1 / likely.sum(1)).cpu().numpy()
    mean: Float = (np.add.reduceat(probability, np.cumsum(lengths) - lengths) / lengths).astype(np.float32)
    return mean


HEAD = TokenClasses
