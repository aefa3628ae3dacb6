"""What the engine answers, as arrays: no text, no Python object a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.ranges import ranges

Status = Literal["ok", "model-non-finite", "device-out-of-memory"]
FaultReason = Literal["model-non-finite", "device-out-of-memory", "too-large"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""A status as a number counts these."""

Float = NDArray[np.float32]
Int = NDArray[np.int32]


def _no_spans() -> Int:
    return np.zeros((0, 3), np.int32)


def _nothing() -> Float:
    return np.zeros(0, np.float32)


def _no_counts() -> Int:
    return np.zeros(0, np.int32)


def _no_columns() -> Float:
    return np.zeros((0, 0), np.float32)


@dataclass(eq=False, slots=True)
class Answer:
    """One passage. `spans` [m, 3]: first token, end token, category; `confidence` [m]; `assertion` [m, 13]
    or [m, 0]; `classes`: for every classes head the probability of each of its labels.

    `pairs` [r, 3]: source and target among the spans, relation; `pair_confidence` [r].
    A fault has empty arrays.
    """

    status: Status = "ok"
    spans: Int = field(default_factory=_no_spans)
    confidence: Float = field(default_factory=_nothing)
    assertion: Float = field(default_factory=_no_columns)
    classes: tuple[Float, ...] = ()
    pairs: Int = field(default_factory=_no_spans)
    pair_confidence: Float = field(default_factory=_nothing)


@dataclass(frozen=True)
class PassageFault:
    """A passage that could not be read, ever: a fault of the note, which becomes a dead letter."""

    reason: FaultReason


@dataclass(eq=False, slots=True)
class Answers:
    """Many passages, one after another: `status` u1 [passages], `counts` i4 [passages] of their spans, and
    those together: `spans`, `confidence`, `assertion` as in `Answer`. `classes` [passages, all labels]:
    columns of one classes head after the other, so many as `labels` says; zeros for a fault. `pair_counts` i4
    [passages] of the related pairs, and those together: `pairs`, `pair_confidence`.

    Of a whole request also the milliseconds it waited for its first batch, and from then on.
    """

    status: NDArray[np.uint8]
    counts: Int
    spans: Int
    confidence: Float
    assertion: Float
    classes: Float
    labels: tuple[int, ...] = ()
    pair_counts: Int = field(default_factory=_no_counts)
    pairs: Int = field(default_factory=_no_spans)
    pair_confidence: Float = field(default_factory=_nothing)
    queue_ms: float = 0.0
    inference_ms: float = 0.0

    def __post_init__(self) -> None:
        if len(self.pair_counts) < len(self.status):  # nobody looked for relations
            self.pair_counts = np.zeros(len(self.status), np.int32)

    def __len__(self) -> int:
        return len(self.status)

    @property
    def answers(self) -> list[Answer]:
        """Passage by passage; the arrays are parts of the whole."""
        spans = pairwise(accumulate(self.counts.tolist(), initial=0))
        pairs = pairwise(accumulate(self.pair_counts.tolist(), initial=0))
        columns = list(pairwise(accumulate(self.labels, initial=0)))
        return [
            Answer(
                "ok",
                self.spans[a:b],
                self.confidence[a:b],
                self.assertion[a:b],
                tuple(self.classes[row, x:y] for x, y in columns),
                self.pairs[c:d],
                self.pair_confidence[c:d],
            )
            if not status
            else Answer(STATUSES[status])
            for row, (status, (a, b), (c, d)) in enumerate(
                zip(self.status.tolist(), spans, pairs, strict=True)
            )
        ]

    def part(self, start: int, stop: int, first: int, end: int) -> Answers:
        """Passages `start:stop`, whose spans are `first:end`; nothing is copied."""
        one, other = self.pair_counts[:start].sum(), self.pair_counts[:stop].sum()
        return Answers(
            self.status[start:stop],
            self.counts[start:stop],
            self.spans[first:end],
            self.confidence[first:end],
            self.assertion[first:end],
            self.classes[start:stop],
            self.labels,
            self.pair_counts[start:stop],
            self.pairs[one:other],
            self.pair_confidence[one:other],
        )

    def arranged(self, order: NDArray[np.intp]) -> Answers:
        """Passage `order[i]` at place i."""
        counts, pair_counts = self.counts[order], self.pair_counts[order]
        spans = ranges((np.cumsum(self.counts) - self.counts)[order], counts)
        pairs = ranges((np.cumsum(self.pair_counts) - self.pair_counts)[order], pair_counts)
        return Answers(
            self.status[order],
            counts,
            self.spans[spans],
            self.confidence[spans],
            self.assertion[spans],
            self.classes[order],
            self.labels,
            pair_counts,
            self.pairs[pairs],
            self.pair_confidence[pairs],
        )


def joined(parts: Sequence[Answers]) -> Answers:
    """One after another. Parts that only hold faults may lack the columns of the others."""
    if len(parts) == 1:
        return parts[0]
    axes = max((part.assertion.shape[1] for part in parts), default=0)
    labels = max((part.labels for part in parts), key=len, default=())
    return Answers(
        np.concatenate([np.zeros(0, np.uint8), *(part.status for part in parts)]),
        np.concatenate([np.zeros(0, np.int32), *(part.counts for part in parts)]),
        np.concatenate([_no_spans(), *(part.spans for part in parts)]),
        np.concatenate([_nothing(), *(part.confidence for part in parts)]),
        np.concatenate([np.zeros((0, axes), np.float32), *(_wide(p.assertion, axes) for p in parts)]),
        np.concatenate(
            [np.zeros((0, sum(labels)), np.float32), *(_wide(p.classes, sum(labels)) for p in parts)]
        ),
        labels,
        np.concatenate([_no_counts(), *(part.pair_counts for part in parts)]),
        np.concatenate([_no_spans(), *(part.pairs for part in parts)]),
        np.concatenate([_nothing(), *(part.pair_confidence for part in parts)]),
    )


def together(answers: Sequence[Answer], queue_ms: float = 0.0, inference_ms: float = 0.0) -> Answers:
    """Answers of single passages as one."""
    whole = joined([_alone(answer) for answer in answers])
    whole.queue_ms, whole.inference_ms = queue_ms, inference_ms
    return whole


def faults(status: Status, passages: int) -> Answers:
    """So many passages, all with the same fault."""
    return Answers(
        np.full(passages, STATUSES.index(status), np.uint8),
        np.zeros(passages, np.int32),
        _no_spans(),
        _nothing(),
        _no_columns(),
        np.zeros((passages, 0), np.float32),
    )


def _alone(answer: Answer) -> Answers:
    return Answers(
        np.array([STATUSES.index(answer.status)], np.uint8),
        np.array([len(answer.spans)], np.int32),
        answer.spans,
        answer.confidence,
        answer.assertion,
        np.concatenate([_nothing(), *answer.classes])[None],
        tuple(len(labels) for labels in answer.classes),
        np.array([len(answer.pairs)], np.int32),
        answer.pairs,
        answer.pair_confidence,
    )


def _wide(rows: Float, columns: int) -> Float:
    return rows if rows.shape[1] == columns else np.zeros((len(rows), columns), np.float32)
