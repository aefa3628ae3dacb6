"""Hugging Face's `BertForSequenceClassification`: pooler and classifier on [CLS]; labels a whole passage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.heads import Float, Int, Settings


class SequenceClasses(nn.Module):
    """`independent`: each label has its own probability (sigmoid); else they share one (softmax)."""

    reads: Literal["classes"] = "classes"

    def __init__(self, width: int, task: str, labels: Sequence[str], independent: bool) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, len(labels))
        self.task = task
        self.labels = tuple(labels)
        self._independent = independent

    @classmethod
    def build(cls, width: int, settings: Settings) -> SequenceClasses:
        return cls(width, settings["name"], settings["labels"], settings["independent"])

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [windows, width], the [CLS] rows → logits [windows, labels]."""
        logits: Tensor = self.classifier(torch.tanh(self.pooler(hidden)))
        return logits

    def read(self, projected: Float, sizes: Int) -> Float:
        """See `ClassesHead.read`. Windows are averaged by the tokens they own."""
        if self._independent:
            probabilities = 1 / (1 + np.exp(-projected))
        else:
            exp = np.exp(projected - projected.max(1, keepdims=True))
            probabilities = exp / exp.sum(1, keepdims=True)
        return np.average(probabilities, axis=0, weights=sizes).astype(np.float32)


HEAD = SequenceClasses
