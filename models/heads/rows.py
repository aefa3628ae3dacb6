"""Rows of a tensor by NumPy's indices, sums of stretches of rows, and rows as probabilities.

Each sum has the same bits whatever other stretches there are: `F.embedding_bag` adds the rows of a stretch
one after another, ten times as fast as `torch.segment_reduce`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


def put(array: NDArray[Any], like: Tensor) -> Tensor:
    """On the device of `like`."""
    return torch.from_numpy(array).to(like.device)


def chosen(rows: Tensor, places: NDArray[np.int64]) -> Tensor:
    """`rows` [n, width], `places` [m] → [m, width]."""
    return rows.index_select(0, put(places, rows))


def sums(rows: Tensor, lengths: Tensor) -> Tensor:
    """`rows` [n, width], `lengths` int64 [m], which make up n → [m, width]; of an empty stretch zeros."""
    every = torch.arange(len(rows), device=rows.device)
    return F.embedding_bag(every, rows, lengths.cumsum(0) - lengths, mode="sum")


def probabilities(logits: Tensor, independent: bool) -> NDArray[np.float32]:
    """[rows, labels]: of each label by itself, or of all of a row together."""
    own = logits.double()  # a row of any length has the same bits in every company, once rounded
    result: NDArray[np.float32] = (own.sigmoid() if independent else own.softmax(1)).float().cpu().numpy()
    return result
