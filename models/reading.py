"""What the trunk and the heads gave for a batch → answers, as flat arrays; nothing is done token by token.

A passage of one window is answered right from its batch. One of several is kept window by window, as the rows
that each window owns, and read as a whole when all are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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


class _Found(NamedTuple):
    """Spans of all layers in order of window and start, and the related pairs among them.

    `window` [m]; `spans` [m, 3]: first row, end row, category; `confidence` [m]; `assertion` [m, 13 or 0];
    `pairs` [r, 3]: source and target among the spans, relation; `pair_confidence` [r].
    """

    window: Int
    spans: Int
    confidence: Float
    assertion: Float
    pairs: Int
    pair_confidence: Float


class Reading:
    """Every head of a checkpoint over whole batches; `word_start` [vocabulary]: pieces that start a word."""

    def __init__(self, heads: Heads, word_start: Bool, device: torch.device) -> None:
        self._heads = heads
        self._word_start = word_start
        self._device = device
        self._labels = tuple(len(head.labels) for head in heads.classes)
        self._kinds = _kinds(heads)

    @torch.inference_mode()
    def batch(self, batch: Projected) -> Answers:
        """Every window as if it were a passage; one with a number that is none is a fault."""
        starts = np.append(0, batch.ends[:-1])
        unsound = np.zeros(len(starts), np.bool_)
        layers = []
        for projected in batch.spans:
            if len(tokens := _unsound(projected)):
                unsound[np.searchsorted(batch.ends, tokens, side="right")] = True
                projected = projected.index_fill(0, self._put(tokens), 0.0)
            layers.append(projected)
        for rows in batch.classes:
            unsound[_unsound(rows)] = True
        outside = np.zeros(len(batch.ids), np.bool_)
        outside[starts] = outside[batch.ends - 1] = True
        found = self._found(
            layers, batch.ids, outside, batch.ends, lambda rows: batch.hidden.index_select(0, rows)
        )
        unsound[found.window[~np.isfinite(found.assertion).all(1)]] = True
        unsound[found.window[found.pairs[:, 0]][~np.isfinite(found.pair_confidence)]] = True
        found = _without(found, unsound) if unsound.any() else found
        found.spans[:, :2] -= (starts[found.window] + 1).astype(np.int32)[:, None]
        classes = self._classes(batch.classes, len(starts))
        classes[unsound] = 0
        return self._answers(found, unsound * np.uint8(NON_FINITE), classes)

    @torch.inference_mode()
    def rows(self, batch: Projected, number: int, long: Long, index: int) -> Rows:
        """What window `number` of a batch gives to the long passage whose window `index` it is."""
        window = long.windows[index]
        first = int(batch.ends[number]) - 1 - window.stop
        own = slice(first + window.own_start, first + window.own_stop)
        return Rows(
            tuple(projected[own].cpu().numpy() for projected in batch.spans),
            batch.hidden[own].half().cpu().numpy(),
            tuple(rows[number : number + 1].cpu().numpy() for rows in batch.classes),
        )

    @torch.inference_mode()
    def whole(self, long: Long) -> Answers:
        """The answer of a long passage whose windows are all there. Classes are averaged over its windows by
        the tokens that they own."""
        rows = [own for own in long.rows if own is not None]
        if len(rows) < len(long.windows):
            return faults("device-out-of-memory", 1)
        layers = [np.concatenate(layer) for layer in zip(*(r.spans for r in rows), strict=True)]
        classes = [np.concatenate(head) for head in zip(*(r.classes for r in rows), strict=True)]
        hidden = np.concatenate([r.hidden for r in rows])
        if not all(np.isfinite(own).all() for own in (*layers, hidden, *classes)):
            return faults("model-non-finite", 1)
        on_device = self._put(hidden)
        found = self._found(
            [self._put(layer) for layer in layers],
            long.ids,
            np.zeros(len(long.ids), np.bool_),
            np.array([len(long.ids)]),
            lambda rows: on_device.index_select(0, rows),
        )
        own = [window.own_stop - window.own_start for window in long.windows]
        mean = np.average(self._classes([self._put(c) for c in classes], len(own)), axis=0, weights=own)
        return self._answers(found, np.zeros(1, np.uint8), mean[None].astype(np.float32))

    def _found(
        self,
        layers: Sequence[Tensor],
        ids: Int,
        outside: Bool,
        ends: NDArray[np.int64],
        hidden: Callable[[Tensor], Tensor],
    ) -> _Found:
        """Of rows that lie in windows ending at `ends`; `hidden`: the hidden states of some of the rows."""
        spans, confidence = self._spans(layers, ids, outside)
        window = np.searchsorted(ends, spans[:, 0], side="right").astype(np.int32)
        if len(self._heads.spans) > 1:
            order = np.lexsort((spans[:, 2], spans[:, 0], window))
            spans, confidence, window = spans[order], confidence[order], window[order]
        assertion = self._asserted(spans, hidden)
        return _Found(window, spans, confidence, assertion, *self._related(spans, window, hidden))

    def _spans(self, layers: Sequence[Tensor], ids: Int, outside: Bool) -> tuple[Int, Float]:
        """Spans and confidences of every layer, one after another; categories are numbered through."""
        read = [
            head.read(projected, self._word_start[ids], outside)
            for head, projected in zip(self._heads.spans, layers, strict=True)
        ]
        first = 0
        for head, (spans, _) in zip(self._heads.spans, read, strict=True):
            spans[:, 2] += first
            first += len(head.categories)
        none = (np.zeros((0, 3), np.int32), np.zeros(0, np.float32))
        every = read or [none]
        return np.concatenate([spans for spans, _ in every]), np.concatenate([sure for _, sure in every])

    def _asserted(self, spans: Int, hidden: Callable[[Tensor], Tensor]) -> Float:
        head = self._heads.assertion
        if head is None:
            return np.zeros((len(spans), 0), np.float32)
        lengths = spans[:, 1] - spans[:, 0]
        return head.read(head.project(hidden(self._put(ranges(spans[:, 0], lengths))).float()), lengths)

    def _related(self, spans: Int, window: Int, hidden: Callable[[Tensor], Tensor]) -> tuple[Int, Float]:
        """Pairs among the spans that the relations head knows, and their confidences."""
        head = self._heads.relations
        which = np.flatnonzero(self._kinds[spans[:, 2]] >= 0) if head is not None else np.zeros(0, np.int64)
        if head is None or len(which) < 2:
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        own = spans[which]
        first, last = int(own[:, 0].min()), int(own[:, 1].max())
        rows = head.project(hidden(self._put(np.arange(first, last))).float())
        pairs, confidence = head.read(rows, own[:, :2] - first, self._kinds[own[:, 2]], window[which])
        pairs[:, :2] = which[pairs[:, :2]]
        return pairs, confidence

    def _answers(self, found: _Found, status: NDArray[np.uint8], classes: Float) -> Answers:
        """Passages, one a window; pairs count the spans of their own passage."""
        count = len(status)
        counts = np.bincount(found.window, minlength=count).astype(np.int32)
        pairs, inside = found.pairs.copy(), found.window[found.pairs[:, 0]]
        pairs[:, :2] -= (np.cumsum(counts) - counts)[inside][:, None].astype(np.int32)
        return Answers(
            status,
            counts,
            found.spans,
            found.confidence,
            found.assertion,
            classes,
            self._labels,
            np.bincount(inside, minlength=count).astype(np.int32),
            pairs,
            found.pair_confidence,
        )

    def _classes(self, projected: list[Tensor], windows: int) -> Float:
        read = [head.read(rows) for head, rows in zip(self._heads.classes, projected, strict=True)]
        return np.concatenate([np.zeros((windows, 0), np.float32), *read], axis=1)

    def _put(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _kinds(heads: Heads) -> Int:
    """[categories]: what each is to the relations head, −1 for none of its kinds. Of layers that share a
    name, the first one's is meant."""
    categories = [name for head in heads.spans for name in head.categories]
    joined = heads.relations.kinds if heads.relations is not None else ()
    places = np.full(len(categories), -1, np.int32)
    for number, kind in enumerate(joined):
        if kind in categories:
            places[categories.index(kind)] = number
    return places


def _without(found: _Found, unsound: NDArray[np.bool_]) -> _Found:
    """What lies in sound windows."""
    kept = ~unsound[found.window]
    number = np.cumsum(kept) - 1
    pairs = kept[found.pairs[:, 0]]
    own = found.pairs[pairs]
    own[:, :2] = number[own[:, :2]]
    return _Found(
        found.window[kept],
        found.spans[kept],
        found.confidence[kept],
        found.assertion[kept],
        own,
        found.pair_confidence[pairs],
    )


def _unsound(projected: Tensor) -> NDArray[np.int64]:
    """Rows with a number that is none."""
    if projected.sum().isfinite():
        return np.zeros(0, np.int64)
    sound = projected.sum(1).isfinite()
    found: NDArray[np.int64] = (~sound).nonzero()[:, 0].cpu().numpy()
    return found
