"""Assertion of every entity on four axes: its tokens' projections averaged, then a small network."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.heads import Float, Int, Settings
from models.heads.rows import sums
from models.types import AXES

SIZES = tuple(len(values) for values in AXES.values())


class Assertion(nn.Module):
    """`hidden`: numbers that stand for a token, of which a span's are averaged."""

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
        """`means` [m, k], a span's projections averaged → logits [m, 13]."""
        logits: Tensor = self.axes(F.relu(self.mix(means)))
        return logits

    def read(self, projected: Tensor, lengths: Int) -> Float:
        """See `AssertionHead.read`."""
        if not len(lengths):
            return np.zeros((0, sum(SIZES)), np.float32)
        counts = torch.from_numpy(lengths.astype(np.int64)).to(projected.device)
        logits = self.judge(sums(projected, counts) / counts[:, None])
        axes = torch.split(logits.double(), list(SIZES), 1)
        result: Float = torch.cat([axis.softmax(1) for axis in axes], 1).float().cpu().numpy()
        return result


HEAD = Assertion
