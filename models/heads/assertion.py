"""Assertion of every entity on four axes: its tokens' projections averaged, then a small network."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from models.heads import Float, Int, Settings
from models.types import AXES

SIZES = tuple(len(values) for values in AXES.values())


class Assertion(nn.Module):
    """`hidden`: numbers that travel from the device for every token."""

    reads: Literal["assertion"] = "assertion"

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.tokens = nn.Linear(width, hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.axes = nn.Linear(hidden, sum(SIZES))

    @classmethod
    def build(cls, width: int, settings: Settings) -> Assertion:
        return cls(width, settings["hidden"])

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [tokens, width] → [tokens, k]."""
        return F.relu(self.tokens(hidden))

    def judge(self, means: Tensor) -> Tensor:
        """`means` [m, k], a span's projections averaged → logits [m, 13]. For training; `read` equals it."""
        logits: Tensor = self.axes(F.relu(self.mix(means)))
        return logits

    def read(self, projected: Float, spans: Int) -> Float:
        """See `AssertionHead.read`."""
        if not len(spans):
            return np.zeros((0, sum(SIZES)), np.float32)
        sums = np.concatenate([np.zeros((1, projected.shape[1])), projected.cumsum(0, np.float64)])
        counts = np.maximum(spans[:, 1] - spans[:, 0], 1)
        means = ((sums[spans[:, 1]] - sums[spans[:, 0]]) / counts[:, None]).astype(np.float32)
        logits = _linear(self.axes, np.maximum(_linear(self.mix, means), 0))
        return np.concatenate([_softmax(part) for part in np.split(logits, np.cumsum(SIZES)[:-1], 1)], 1)


def _linear(layer: nn.Linear, rows: Float) -> Float:
    weight, bias = (p.detach().cpu().numpy() for p in (layer.weight, layer.bias))
    result: Float = rows @ weight.T + bias
    return result


def _softmax(logits: Float) -> Float:
    exp = np.exp(logits - logits.max(1, keepdims=True))
    result: Float = exp / exp.sum(1, keepdims=True)
    return result


HEAD = Assertion
