"""What the trunk and the heads gave for a batch → answers, as flat arrays; nothing is done token by token.

A passage of one window is answered right from its batch. One of several is kept window by window, as the rows
that each window owns, and read as a whole when all are there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.answers import STATUSES, Answers, faults
from models.forward import Projected
from models.heads import Bool, Float, Int
from models.ranges import ranges
from models.requests import Long, Rows
from models.weights import Heads

NON_FINITE = STATUSES.index("model-non-finite")


class Reading:
    """Every head of a checkpoint over whole batches; `word_start` [vocabulary]: pieces that start a word."""

    def __init__(self, heads: Heads, word_start: Bool, device: torch.device) -> None:
        self._heads = heads
        self._word_start = word_start
        self._device = device
        self._labels = tuple(len(head.labels) for head in heads.classes)

    @torch.inference_mode()
    def batch(self, batch: Projected) -> Answers:
        """Every window as if it were a passage; one with a number that is none is a fault."""
        starts = np.append(0, batch.ends[:-1])
        unsound = np.zeros(len(starts), np.bool_)
        projected = batch.spans
        if projected is not None and len(tokens := _unsound(projected)):
            unsound[np.searchsorted(batch.ends, tokens, side="right")] = True
            projected = projected.index_fill(0, self._put(tokens), 0.0)
        for rows in batch.classes:
            unsound[_unsound(rows)] = True
        outside = np.zeros(len(batch.ids), np.bool_)
        outside[starts] = outside[batch.ends - 1] = True
        found = self._spans(
            projected, batch.ids, outside, lambda rows: self._judged(batch.hidden.index_select(0, rows))
        )
        window = np.searchsorted(batch.ends, found[0][:, 0], side="right")
        unsound[window[~np.isfinite(found[2]).all(1)]] = True
        if unsound.any():
            kept = ~unsound[window]
            window, found = window[kept], (found[0][kept], found[1][kept], found[2][kept])
        found[0][:, :2] -= (starts[window] + 1).astype(np.int32)[:, None]
        counts = np.bincount(window, minlength=len(starts)).astype(np.int32)
        classes = self._classes(batch.classes, len(starts))
        classes[unsound] = 0
        return Answers(unsound * np.uint8(NON_FINITE), counts, *found, classes, self._labels)

    @torch.inference_mode()
    def rows(self, batch: Projected, number: int, long: Long, index: int) -> Rows:
        """What window `number` of a batch gives to the long passage whose window `index` it is."""
        window = long.windows[index]
        first = int(batch.ends[number]) - 1 - window.stop
        own = slice(first + window.own_start, first + window.own_stop)
        none = np.zeros((window.own_stop - window.own_start, 0), np.float32)
        return Rows(
            none if batch.spans is None else batch.spans[own].cpu().numpy(),
            none if self._heads.assertion is None else self._judged(batch.hidden[own]).cpu().numpy(),
            tuple(rows[number : number + 1].cpu().numpy() for rows in batch.classes),
        )

    @torch.inference_mode()
    def whole(self, long: Long) -> Answers:
        """The answer of a long passage whose windows are all there. Classes are averaged over its windows by
        the tokens that they own."""
        rows = [own for own in long.rows if own is not None]
        if len(rows) < len(long.windows):
            return faults("device-out-of-memory", 1)
        spans, judged = np.concatenate([r.spans for r in rows]), np.concatenate([r.assertion for r in rows])
        classes = [np.concatenate(head) for head in zip(*(r.classes for r in rows), strict=True)]
        if not all(np.isfinite(own).all() for own in (spans, judged, *classes)):
            return faults("model-non-finite", 1)
        on_device = self._put(judged)
        found = self._spans(
            self._put(spans) if self._heads.spans is not None else None,
            long.ids,
            np.zeros(len(long.ids), np.bool_),
            lambda rows: on_device.index_select(0, rows),
        )
        own = [window.own_stop - window.own_start for window in long.windows]
        mean = np.average(self._classes([self._put(c) for c in classes], len(own)), axis=0, weights=own)
        counts = np.array([len(found[0])], np.int32)
        return Answers(np.zeros(1, np.uint8), counts, *found, mean[None].astype(np.float32), self._labels)

    def _spans(
        self, projected: Tensor | None, ids: Int, outside: Bool, judged: Callable[[Tensor], Tensor]
    ) -> tuple[Int, Float, Float]:
        """Spans, confidences, assertion; `judged`: what the assertion head projects from some of the rows."""
        if projected is None or self._heads.spans is None:
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
        spans, confidence = self._heads.spans.read(projected, self._word_start[ids], outside)
        if self._heads.assertion is None:
            return spans, confidence, np.zeros((len(spans), 0), np.float32)
        lengths = spans[:, 1] - spans[:, 0]
        rows = judged(self._put(ranges(spans[:, 0], lengths)))
        return spans, confidence, self._heads.assertion.read(rows, lengths)

    def _judged(self, hidden: Tensor) -> Tensor:
        assert self._heads.assertion is not None
        return self._heads.assertion.project(hidden.float())

    def _classes(self, projected: list[Tensor], windows: int) -> Float:
        read = [head.read(rows) for head, rows in zip(self._heads.classes, projected, strict=True)]
        return np.concatenate([np.zeros((windows, 0), np.float32), *read], axis=1)

    def _put(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _unsound(projected: Tensor) -> NDArray[np.int64]:
    """Rows with a number that is none."""
    if projected.sum().isfinite():
        return np.zeros(0, np.int64)
    sound = projected.sum(1).isfinite()
    found: NDArray[np.int64] = (~sound).nonzero()[:, 0].cpu().numpy()
    return found
