"""A request on its way through the engine: passages, cut into windows, put together again when read."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, InvalidStateError
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.answers import Answer, Answers
from models.types import Lane
from models.windows import Window

Passage = tuple[NDArray[np.int32], NDArray[np.uint8]]
"""Ids and feature masks of a passage's tokens, without [CLS] and [SEP]."""

Float = NDArray[np.float32]


class Rows(NamedTuple):
    """What the heads projected: per token head [tokens, k], per classes head [windows, k]."""

    tokens: list[Float]
    classes: list[Float]


class Request:
    """Some passages that are asked for and answered together."""

    def __init__(self, count: int, lane: Lane) -> None:
        self.future: Future[Answers] = Future()
        self.lane: Lane = lane
        self.lock = threading.Lock()
        self._answers: list[Answer] = [Answer()] * count
        self._left = count
        self._asked = time.monotonic()
        self._begun = 0.0
        if not count:
            self.future.set_result(Answers([], 0.0, 0.0))

    @property
    def dropped(self) -> bool:
        return self.future.done()

    def begin(self, now: float) -> float | None:
        """Seconds that the request waited, the first time that a batch takes some of it."""
        with self.lock:
            if self._begun:
                return None
            self._begun = now
            return now - self._asked

    def answer(self, number: int, answer: Answer) -> None:
        with self.lock:
            self._answers[number] = answer
            self._left -= 1
            if self._left:
                return
        now = time.monotonic()
        self._settle(Answers(self._answers, (self._begun - self._asked) * 1e3, (now - self._begun) * 1e3))

    def fail(self, error: Exception) -> None:
        self._settle(error)

    def _settle(self, result: Answers | Exception) -> None:
        try:
            if isinstance(result, Exception):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)
        except InvalidStateError:
            pass  # cancelled meanwhile


class Job:
    """One passage of a request; its windows may travel in different batches."""

    def __init__(self, request: Request, number: int, passage: Passage, windows: list[Window]) -> None:
        self.request = request
        self.ids, self.features = passage
        self.windows = windows
        self._number = number
        self._parts: list[Rows | None] = [None] * len(windows)
        self._left = len(windows)

    def lay(self, index: int, rows: Rows | None) -> bool:
        """Put down what window `index` gave (None: nothing, no memory); true when it was the last."""
        with self.request.lock:
            self._parts[index] = rows
            self._left -= 1
            return not self._left

    def joined(self) -> Rows | None:
        """Each token's rows from the window that owns it, [passage tokens, k]; [windows, k] for classes."""
        parts = [part for part in self._parts if part is not None]
        if len(parts) < len(self.windows):
            return None
        if len(parts) == 1:
            return parts[0]
        owned = [slice(w.own_start - w.start, w.own_stop - w.start) for w in self.windows]
        tokens = [
            np.concatenate([head[own] for head, own in zip(heads, owned, strict=True)])
            for heads in zip(*(part.tokens for part in parts), strict=True)
        ]
        return Rows(
            tokens, [np.concatenate(heads) for heads in zip(*(p.classes for p in parts), strict=True)]
        )

    def finish(self, answer: Answer) -> None:
        self.request.answer(self._number, answer)


class Piece:
    """One window of a job: what the lanes hold and batches are made of."""

    __slots__ = ("_window", "index", "job", "tokens")

    def __init__(self, job: Job, index: int) -> None:
        self.job = job
        self.index = index
        self._window = job.windows[index]
        self.tokens = self._window.stop - self._window.start + 2

    @property
    def dropped(self) -> bool:
        return self.job.request.dropped

    @property
    def passage(self) -> Passage:
        """Ids and features of this window alone."""
        window = slice(self._window.start, self._window.stop)
        return self.job.ids[window], self.job.features[window]
