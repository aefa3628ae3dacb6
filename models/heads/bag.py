"""Which word pieces a window has, whatever their order: some words alone tell what a text is.

A class head adds it to what the trunk tells: the mean over the window's tokens of a row of weights for each
piece that counts. A window of few words would be surer than any: what a bag says has its limits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST = 3.0
"""Log-odds that a bag adds to or takes from a label at most."""


class Bag(nn.Module):
    """`pieces`: ids of the pieces that count; all others, and [CLS] and [SEP], add nothing."""

    pieces: Tensor

    def __init__(self, pieces: Sequence[int], labels: int) -> None:
        super().__init__()
        self.register_buffer("pieces", torch.tensor(sorted(pieces), dtype=torch.int32), persistent=False)
        self.table = nn.Parameter(torch.zeros(len(pieces), labels))

    def forward(self, ids: Tensor, sizes: Tensor) -> Tensor:
        """`ids` int32 [tokens] of windows one after another, `sizes` int64 [windows] → [windows, labels]."""
        place = torch.searchsorted(self.pieces, ids).clamp(max=len(self.pieces) - 1)
        counts = (self.pieces.index_select(0, place) == ids).float()
        starts = sizes.cumsum(0) - sizes
        sums = F.embedding_bag(place, self.table, starts, mode="sum", per_sample_weights=counts)
        return (sums / sizes[:, None]).clamp(-MOST, MOST)
