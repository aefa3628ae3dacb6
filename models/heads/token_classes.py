"""Hugging Face's `BertForTokenClassification`: one linear layer, any labels in BIO or BILOU (BIOES)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from torch import Tensor, nn

from models.heads import Bool, Float, Int, Settings

OPENS, CLOSES = ("B", "S", "U"), ("E", "L", "S", "U")


class TokenClasses(nn.Module):
    """`categories`: the labels without their prefix, in order of first appearance, "O" left out."""

    reads: Literal["spans"] = "spans"

    def __init__(self, width: int, labels: Sequence[str]) -> None:
        super().__init__()
        self.classifier = nn.Linear(width, len(labels))
        prefixes, names = zip(*map(_parse, labels), strict=True)
        self.categories: tuple[str, ...] = tuple(dict.fromkeys(n for n in names if n is not None))
        numbers = {name: number for number, name in enumerate(self.categories)}
        self._category = np.array([-1 if n is None else numbers[n] for n in names], dtype=np.int32)
        self._opens = np.array([prefix in OPENS for prefix in prefixes])
        self._closes = np.array([prefix in CLOSES for prefix in prefixes])

    @classmethod
    def build(cls, width: int, settings: Settings) -> TokenClasses:
        return cls(width, settings["labels"])

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [tokens, width] → logits [tokens, labels]."""
        logits: Tensor = self.classifier(hidden)
        return logits

    def read(self, projected: Float, word_start: Bool) -> tuple[Int, Float]:
        """See `SpansHead.read`. The best label of every token on its own; neighbours of one category join,
        unless the left one closes (L, E, U, S) or the right one opens (B, U, S).

        For BIO this is what transformers calls `aggregation_strategy="simple"`; the confidence is the mean
        of the tokens' probabilities, as there.
        """
        if not len(projected):
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        exp = np.exp(projected - projected.max(1, keepdims=True))
        best = exp.argmax(1)
        probability = exp.max(1) / exp.sum(1)
        category, opens, closes = self._category[best], self._opens[best], self._closes[best]
        starts = np.ones(len(best), dtype=np.bool_)
        starts[1:] = (category[1:] != category[:-1]) | opens[1:] | closes[:-1]
        first = np.flatnonzero(starts)
        end = np.append(first[1:], len(best))
        mean = np.add.reduceat(probability, first) / (end - first)
        entity = category[first] >= 0
        spans = np.stack([first, end, category[first]], axis=1)[entity]
        return spans.astype(np.int32), mean[entity].astype(np.float32)


def _parse(label: str) -> tuple[str, str | None]:
    """ "B-Disease" → ("B", "Disease"); a label without a prefix continues its like; "O" is no category."""
    if label == "O":
        return "", None
    prefix, dash, name = label.partition("-")
    return (prefix, name) if dash and prefix in ("B", "I", "L", "U", "E", "S") else ("I", label)


HEAD = TokenClasses
