"""A request on its way through the engine: passages, cut into windows, put together again when read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.answers import Answers, joined
from models.windows import cut

Passage = tuple[NDArray[np.int32], NDArray[np.uint8]]
"""Ids and feature masks of a passage's tokens, without [CLS] and [SEP]."""

Float = NDArray[np.float32]


class Rows(NamedTuple):
    """What a window of a longer passage gives: of the tokens that it owns what each spans head projected,
    [tokens, k], and their hidden states [tokens, width] in half precision, as there may be a million of them;
    of each classes head [1, labels]."""

    spans: tuple[Float, ...]
    hidden: NDArray[np.float16]
    classes: tuple[Float, ...]


class Request:
    """Some passages that are asked for and answered together."""

    __slots__ = ("_asked", "_begun", "_left", "_numbers", "_parts", "dropped", "future", "lock")

    def __init__(self, count: int) -> None:
        self.future: Future[Answers] = Future()
        self.future.add_done_callback(self._done)
        self.lock = threading.Lock()
        self.dropped = False
        """Nobody waits for it any more."""
        self._parts: list[Answers] = []
        self._numbers: list[int] = []
        self._left = count
        self._asked = time.monotonic()
        self._begun = 0.0
        if not count:
            self.future.set_result(joined([]))

    def begin(self, now: float) -> None:
        """A batch takes some of it; the first one ends its wait."""
        with self.lock:
            self._begun = self._begun or now

    def answer(self, numbers: Sequence[int], part: Answers) -> None:
        """Passages `numbers` are read."""
        with self.lock:
            self._parts.append(part)
            self._numbers += numbers
            self._left -= len(numbers)
            if self._left:
                return
        whole = joined(self._parts)
        if self._numbers != list(range(len(whole))):
            whole = whole.arranged(np.argsort(self._numbers))
        now = time.monotonic()
        whole.queue_ms, whole.inference_ms = (self._begun - self._asked) * 1e3, (now - self._begun) * 1e3
        self._settle(whole)

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

    def _done(self, _: Future[Answers]) -> None:
        self.dropped = True


class Piece:
    """One window of passage `number`: what the lanes hold and batches are made of.

    `tokens` counts [CLS] and [SEP]. `long`: the passage it is part of, where that is more than one window;
    `index`: which of its windows.
    """

    __slots__ = ("index", "long", "number", "passage", "request", "tokens")

    def __init__(
        self, request: Request, number: int, passage: Passage, long: Long | None = None, index: int = 0
    ) -> None:
        self.request = request
        self.number = number
        self.passage = passage
        self.tokens = len(passage[0]) + 2
        self.long = long
        self.index = index

    @property
    def dropped(self) -> bool:
        return self.request.dropped


class Long:
    """A passage of several windows, which may travel in different batches."""

    __slots__ = ("_left", "_lock", "ids", "rows", "windows")

    def __init__(self, passage: Passage, limit: int, overlap: int) -> None:
        self.ids = passage[0]
        self.windows = cut(len(self.ids), limit, overlap)
        self.rows: list[Rows | None] = [None] * len(self.windows)
        """None stays where there was no memory."""
        self._left = len(self.windows)
        self._lock = threading.Lock()

    def lay(self, index: int, rows: Rows | None) -> bool:
        """Put down what window `index` gave; true when it was the last."""
        with self._lock:
            self.rows[index] = rows
            self._left -= 1
            return not self._left


def pieces(request: Request, passages: Sequence[Passage], limit: int, overlap: int) -> list[Piece]:
    """The windows of a request, of at most `limit` tokens.

    A passage without tokens is still a window: [CLS] and [SEP], which classes are read from.
    """
    found: list[Piece] = []
    for number, passage in enumerate(passages):
        if len(passage[0]) <= limit:
            found.append(Piece(request, number, passage))
            continue
        long, (ids, features) = Long(passage, limit, overlap), passage
        for index, window in enumerate(long.windows):
            own = slice(window.start, window.stop)
            found.append(Piece(request, number, (ids[own], features[own]), long, index))
    return found


def runs(batch: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    """Stretches of a batch that can be answered at once: whole passages of one request, or one long one's
    window."""
    start = 0
    while start < len(batch):
        stop, request = start + 1, batch[start].request
        if batch[start].long is None:
            while stop < len(batch) and batch[stop].request is request and batch[stop].long is None:
                stop += 1
        yield start, stop
        start = stop
