"""From what a head finds probable to how often it is right: one curve a layer, fitted on held-out documents.

Method: Platt 1999, on log-odds: p becomes 1 / (1 + exp(−(a · log(p / (1 − p)) + b))). A manifest's heads have
`calibration: [a, b]`, or one such pair a category (`{category: [a, b]}`); without it they stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint

Float = NDArray[np.float32]
EDGE = 1e-6


class Curves:
    """Of a checkpoint's spans and relations."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        spans = [head for head in checkpoint.heads if "categories" in head]
        self._spans = _table([(head, head["categories"]) for head in spans])
        relations = [head for head in checkpoint.heads if head["kind"] == "relations"]
        self._relations = _table([(head, [name for name, *_ in head["relations"]]) for head in relations])

    def spans(self, confidence: Float, categories: NDArray[np.int32]) -> Float:
        """Confidences [m] of spans of `categories` [m], as numbered through all layers."""
        return _bent(confidence, self._spans, categories)

    def relations(self, confidence: Float, categories: NDArray[np.int32]) -> Float:
        return _bent(confidence, self._relations, categories)


def _table(heads: Sequence[tuple[Mapping[str, Any], Sequence[str]]]) -> NDArray[np.float64] | None:
    """[labels, 2]: a and b of every label; None where nothing was fitted."""
    if not any("calibration" in head for head, _ in heads):
        return None
    rows = []
    for head, names in heads:
        fitted = head.get("calibration", [1.0, 0.0])
        for name in names:
            rows.append(fitted.get(name, [1.0, 0.0]) if isinstance(fitted, Mapping) else fitted)
    return np.array(rows, np.float64)


def _bent(confidence: Float, table: NDArray[np.float64] | None, which: NDArray[np.int32]) -> Float:
    if table is None:
        return confidence
    a, b = table[which].T
    return on_curve(confidence, a, b)


def on_curve(confidence: Float, a: Any, b: Any) -> Float:
    """`confidence` [m] by the curve of `a` and `b`: numbers, or one of each a confidence."""
    own = confidence.astype(np.float64).clip(EDGE, 1 - EDGE)
    bent: Float = (1 / (1 + np.exp(-(a * np.log(own / (1 - own)) + b)))).astype(np.float32)
    return bent
