"""Hugging Face's `BertForSequenceClassification`: pooler and classifier on [CLS]; labels a whole passage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.heads import Float, Settings
from models.heads.rows import probabilities


class SequenceClasses(nn.Module):
    """`independent`: each label has its own probability (sigmoid); else they share one (softmax)."""

    reads: Literal["classes"] = "classes"
    pooled = False
    bag = None

    def __init__(self, width: int, task: str, labels: Sequence[str], independent: bool) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, len(labels))
        self.task = task
        self.labels = tuple(labels)
        self.independent = independent

    @classmethod
    def build(cls, width: int, settings: Settings) -> SequenceClasses:
        return cls(width, settings["name"], settings["labels"], settings["independent"])

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [windows, width], the [CLS] rows → logits [windows, labels]."""
        logits: Tensor = self.classifier(torch.tanh(self.pooler(hidden)))
        return logits

    def read(self, projected: Tensor) -> Float:
        """See `ClassesHead.read`."""
        return probabilities(projected, self.independent)


HEAD = SequenceClasses
