"""What the engine answers for one passage, as arrays: no text, no Python object a token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Status = Literal["ok", "model-non-finite", "device-out-of-memory"]
FaultReason = Literal["model-non-finite", "device-out-of-memory", "too-large"]


def _no_spans() -> NDArray[np.int32]:
    return np.zeros((0, 3), np.int32)


def _nothing() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


def _unjudged() -> NDArray[np.float32]:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """`spans` [m, 3]: first token, end token, category; `confidence` [m]; `assertion` [m, 13] or [m, 0].

    `classes`: for every classes head the probability of each of its labels. A fault has empty arrays.
    """

    status: Status = "ok"
    spans: NDArray[np.int32] = field(default_factory=_no_spans)
    confidence: NDArray[np.float32] = field(default_factory=_nothing)
    assertion: NDArray[np.float32] = field(default_factory=_unjudged)
    classes: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True)
class PassageFault:
    """A passage that could not be read, ever: a fault of the note, which becomes a dead letter."""

    reason: FaultReason


class Answers(NamedTuple):
    """Answers of one request, in its order; milliseconds it waited for its first batch, and from then on."""

    answers: list[Answer]
    queue_ms: float
    inference_ms: float
