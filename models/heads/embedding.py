"""A vector of unit length for a passage: texts of like content lie near each other.

One linear layer on the mean of the tokens, taught to place passages as a sentence encoder does.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.heads import Float, Settings


class Embedding(nn.Module):
    """`labels`: the vector's dimensions, by number."""

    reads: Literal["classes"] = "classes"
    pooled = True
    bag = None

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.turn = nn.Linear(width, size)
        self.labels = tuple(map(str, range(size)))

    @classmethod
    def build(cls, width: int, settings: Settings) -> Embedding:
        return cls(width, settings["size"])

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [windows, 2 · width], of which the means count → [windows, size]."""
        turned: Tensor = self.turn(hidden[:, hidden.shape[1] // 2 :])
        return turned

    def read(self, projected: Tensor) -> Float:
        """See `ClassesHead.read`: the vectors, of length 1."""
        own = projected.double()
        result: Float = torch.nn.functional.normalize(own, dim=1).float().cpu().numpy()
        return result


HEAD = Embedding
