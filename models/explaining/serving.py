"""Explaining beside a running engine: one note at a time, in a thread that stands back for all that reads.

On a CPU the thread is as nice as `NICE` says: while every core reads it gets about a sixteenth of one, as the
least urgent lane does, and the rest of the time all of it. On a GPU its batches are small and go one by one
in a stream of their own. The encoder is loaded, in fp32, when first asked for.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.errors import RequestRefused
from models.explaining.asking import MOST_TOKENS, MOST_WORK
from models.explaining.explain import Explainer
from models.explaining.questions import ASSERTION, COLUMNS, LABEL, SPAN, Weighed
from models.explanation import IN_STREAM, Method
from models.forward import choose_device
from models.requests import Passage
from models.types import AXES

NICE = 12
"""Linux weighs such a thread at 70, a usual one at 1024."""
WAITING = 256
"""Requests that may wait; each is a few kilobytes."""
CLOSE_SECONDS = 10.0


class _Dropped(Exception):
    """Nobody waits for this answer any more."""


class _Turn(NamedTuple):
    future: Future[Weighed]
    passages: Sequence[Passage]
    questions: NDArray[np.int32]
    method: Method


class Serving:
    """Answers requests one after another. `submit` and `close` are for any thread."""

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        self._checkpoint, self._device = checkpoint, device
        self._waiting: queue.Queue[_Turn | None] = queue.Queue(WAITING)
        self._closed = False
        self._now: Future[Weighed] | None = None
        self._explainer: Explainer | None = None
        self._thread = threading.Thread(target=self._run, name="explaining", daemon=True)
        self._thread.start()

    def submit(
        self, passages: Sequence[Passage], questions: NDArray[np.int32], method: Method
    ) -> Future[Weighed] | None:
        """The answers to `questions` (see `questions.Asked`), some time; None: there is no room now.

        What is refused fails with `RequestRefused`: a bad question, more than `MOST_TOKENS` or `MOST_WORK`,
        or a fault in the answering. Cancelling the future ends it, while it waits or before its next batch.
        """
        future: Future[Weighed] = Future()
        if reason := self._refused(passages, questions, method):
            future.set_exception(RequestRefused(f"explaining: {reason}"))
            return future
        try:
            self._waiting.put_nowait(_Turn(future, passages, questions, method))
        except queue.Full:
            return None
        return future

    def close(self) -> None:
        """Ends after the batch that runs; what is left is cancelled."""
        self._closed = True
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(CLOSE_SECONDS)
        with contextlib.suppress(queue.Empty):
            while True:
                if turn := self._waiting.get_nowait():
                    turn.future.cancel()

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # where threads cannot be nice each for itself
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        torch.set_num_threads(1)
        with _own_stream(self._device):
            while not self._closed and (turn := self._waiting.get()):
                self._now = turn.future
                self._answer(turn)

    def _answer(self, turn: _Turn) -> None:
        if turn.future.cancelled():
            return
        try:
            self._explainer = self._explainer or Explainer(self._checkpoint, self._device, self._between)
            weighed = self._explainer.weigh(turn.passages, turn.questions, turn.method)
        except _Dropped:
            turn.future.cancel()
        except Exception as error:  # whatever it is, the engine reads on; its text could quote a note
            _set(turn.future.set_exception, RequestRefused(f"{type(error).__name__} while explaining"))
        else:
            _set(turn.future.set_result, weighed)

    def _between(self) -> None:
        if self._closed or (self._now and self._now.cancelled()):
            raise _Dropped

    def _refused(
        self, passages: Sequence[Passage], questions: NDArray[np.int32], method: Method
    ) -> str | None:
        sizes = np.array([len(ids) for ids, _ in passages], np.int64)
        if method not in IN_STREAM:
            return f"the method is not one of {', '.join(IN_STREAM)}"
        if (
            questions.ndim != 2
            or questions.shape[1] != COLUMNS
            or not _fit(questions, sizes, self._checkpoint)
        ):
            return "a question does not fit its passage or the checkpoint"
        if int(sizes.sum()) > MOST_TOKENS or int(sizes[questions[:, 1]].sum()) > MOST_WORK:
            return "more tokens than are explained beside the reading"
        return None


def _fit(questions: NDArray[np.int32], sizes: NDArray[np.int64], checkpoint: Checkpoint) -> bool:
    """Whether each asks about tokens of a passage that is there, and what the checkpoint's heads can say."""
    layers = [len(categories) for _, categories in checkpoint.layers]
    tasks = [len(task.labels) for task in checkpoint.tasks]
    judges = any(head["kind"] == "assertion" for head in checkpoint.heads)
    axes = [len(values) for values in AXES.values()] if judges else []
    sorts = {SPAN: layers, ASSERTION: axes, LABEL: tasks}
    for kind, passage, first, end, a, b in questions.tolist():
        options = sorts.get(kind, [])
        if not (0 <= passage < len(sizes) and 0 <= a < len(options) and 0 <= b < options[a]):
            return False
        if kind != LABEL and not 0 <= first < end <= sizes[passage]:
            return False
    return True


def _set(how: Callable[[Any], None], what: object) -> None:
    with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
        how(what)


def _own_stream(device: str) -> contextlib.AbstractContextManager[object]:
    if choose_device(device) == "cpu":
        return contextlib.nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(choose_device(device)))  # type: ignore[no-untyped-call]
