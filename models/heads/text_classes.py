"""Classes of a text of many passages: read from each passage's [CLS] and the mean of its tokens.

Passages' logits are averaged over the text, weighted by length: the text is classified by all of it, and each
passage can be remembered by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models.heads import Float, Settings
from models.heads.bag import Bag
from models.heads.rows import probabilities


class TextClasses(nn.Module):
    """`independent`: each label has its own probability (sigmoid); else they share one (softmax).

    `bag`: what is added to the logits of a window for the word pieces in it; None: nothing.
    """

    reads: Literal["classes"] = "classes"
    pooled = True

    def __init__(
        self,
        width: int,
        task: str,
        labels: Sequence[str],
        independent: bool,
        hidden: int,
        pieces: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.mix = nn.Linear(2 * width, hidden)
        self.classifier = nn.Linear(hidden, len(labels))
        self.bag = Bag(pieces, len(labels)) if pieces else None
        self.task = task
        self.labels = tuple(labels)
        self.independent = independent

    @classmethod
    def build(cls, width: int, settings: Settings) -> TextClasses:
        name, labels, independent = settings["name"], settings["labels"], settings["independent"]
        return cls(width, name, labels, independent, settings["hidden"], settings.get("pieces", ()))

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [windows, 2 · width]: [CLS] rows beside the means → logits [windows, labels]."""
        logits: Tensor = self.classifier(F.gelu(self.mix(hidden)))
        return logits

    def read(self, projected: Tensor) -> Float:
        """See `ClassesHead.read`."""
        return probabilities(projected, self.independent)


HEAD = TextClasses
