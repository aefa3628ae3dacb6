"""A BATCH'S WAY: many requests, one resident encoder.

    queue → pack (token budget) → encode (one trunk pass) → every head → answer

A batch is what waits when a reader is free: no timer. On a CPU every core has a single-threaded reader; on a
GPU two readers share the device, so that one prepares and answers while the other's batch runs.
What a passage may suffer (no memory, NaN) is its answer; anything else is a bug and ends the engine.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np
import torch

from models.answers import Answer, Answers
from models.checkpoint import Checkpoint
from models.errors import EngineError
from models.forward import Forward, choose_device
from models.lanes import Lanes
from models.precision import Precision
from models.requests import Job, Passage, Piece, Request, Rows
from models.types import LANES, Lane
from models.windows import Window, cut

CPU_BUDGET, CUDA_BUDGET = 1024, 16384
"""Tokens a batch: enough to be at full speed, few enough to answer soon."""

CLOSE_SECONDS = 10.0
"""A reader that hangs on its device for longer is left behind."""


class Observer(Protocol):
    """Who wants to know how it goes, e.g. the metrics; called from the readers' threads."""

    def readers(self, count: int) -> None: ...
    def batch(self, tokens: int, budget: int, windows: int, seconds: float) -> None: ...
    def waited(self, lane: Lane, seconds: float) -> None: ...
    def depth(self, lane: Lane, windows: int) -> None: ...
    def busy(self, seconds: float) -> None: ...


class Engine:
    """Reads passages with one checkpoint. Thread-safe; its answers do not depend on who else asks."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "auto",
        budget: int | None = None,
        readers: int | None = None,
        observer: Observer | None = None,
        on_bug: Callable[[str], None] | None = None,
        precision: Precision = "fp32",
    ) -> None:
        checkpoint.require_heads()
        self.device, self.precision = choose_device(device), precision
        on_cpu = self.device == "cpu"
        self.readers = readers = readers or (len(os.sched_getaffinity(0)) if on_cpu else 2)
        self.budget = budget or (CPU_BUDGET if on_cpu else CUDA_BUDGET)
        self.forward = Forward(checkpoint, self.device, precision)
        self._heads = self.forward.heads
        self._word_start = checkpoint.word_start
        self._limit, self._overlap = checkpoint.window - 2, checkpoint.overlap
        self._observer = observer
        self._on_bug = on_bug
        self._broken: EngineError | None = None
        self._lanes: Lanes[Piece] = Lanes(sharers=readers if on_cpu else 1)
        self._running: dict[int, float] = {}
        self._readers = [
            threading.Thread(target=self._run, name=f"reader-{i}", daemon=True) for i in range(readers)
        ]
        if observer:
            observer.readers(readers)
        for reader in self._readers:
            reader.start()

    def submit(
        self, passages: Sequence[Passage], lane: Lane = "routine", owner: Hashable = None
    ) -> Future[Answers]:
        """Answers of all passages, in their order. Cancelling the future drops what still waits.

        `owner`: whose they are; in every lane the owners are served in turn.
        """
        request = Request(len(passages), lane)
        pieces: list[Piece] = []
        for number, passage in enumerate(passages):
            # a passage without tokens is still a window: [CLS] and [SEP], which classes are read from
            windows = cut(len(passage[0]), self._limit, self._overlap) or [Window(0, 0, 0, 0)]
            job = Job(request, number, passage, windows)
            pieces += [Piece(job, index) for index in range(len(windows))]
        if not self._lanes.put(pieces, lane, owner):
            raise self._broken or EngineError("the engine was closed")
        return request.future

    def stalled_for(self) -> float:
        """Seconds that the oldest running batch has been on the device; for a watchdog."""
        now = time.monotonic()
        return max((now - begun for begun in list(self._running.values())), default=0.0)

    def close(self) -> None:
        """Ends the readers after their batch; whatever still waits fails with `EngineError`."""
        self._break(EngineError("the engine was closed"))
        for reader in self._readers:
            if reader is not threading.current_thread():
                reader.join(CLOSE_SECONDS)

    def _run(self) -> None:
        """One reader's life."""
        if self.device == "cpu":
            torch.set_num_threads(1)
        while batch := self._lanes.take(self.budget):
            try:
                self._turn(batch)
            except Exception as error:
                self._crash(error, batch)

    def _turn(self, batch: list[Piece]) -> None:
        """One batch, from the queue to its answers."""
        begun = time.monotonic()
        self._observe_wait(batch, begun)
        for piece, rows in zip(batch, self._encode(batch), strict=True):
            if piece.job.lay(piece.index, rows):
                piece.job.finish(self._answer(piece.job))
        self._observe_batch(batch, time.monotonic() - begun)

    def _encode(self, batch: list[Piece]) -> list[Rows | None]:
        """What the heads see in each window; None where even the window alone does not fit into memory."""
        self._running[threading.get_ident()] = time.monotonic()
        try:
            return list(self.forward([piece.passage for piece in batch]))
        except Exception as error:
            if not _out_of_memory(error):
                raise
        finally:
            del self._running[threading.get_ident()]
        if len(batch) == 1:
            return [None]
        self.budget = max(min(self.budget, sum(piece.tokens for piece in batch) // 2), self._limit + 2)
        if self.device != "cpu":
            torch.cuda.empty_cache()
        half = len(batch) // 2
        return self._encode(batch[:half]) + self._encode(batch[half:])

    def _answer(self, job: Job) -> Answer:
        """Every head reads the whole passage."""
        rows = job.joined()
        if rows is None:
            return Answer("device-out-of-memory")
        if not all(np.isfinite(values).all() for values in (*rows.tokens, *rows.classes)):
            return Answer("model-non-finite")
        per_token = iter(rows.tokens)
        answer = Answer()
        spans, confidence, assertion = answer.spans, answer.confidence, answer.assertion
        if self._heads.spans is not None:
            spans, confidence = self._heads.spans.read(next(per_token), self._word_start[job.ids])
            assertion = np.zeros((len(spans), 0), np.float32)
        if self._heads.assertion is not None:
            assertion = self._heads.assertion.read(next(per_token), spans)
        sizes = np.array([max(w.own_stop - w.own_start, 1) for w in job.windows], np.int32)
        classes = zip(self._heads.classes, rows.classes, strict=True)
        return Answer(
            "ok", spans, confidence, assertion, tuple(head.read(row, sizes) for head, row in classes)
        )

    def _crash(self, error: Exception, batch: list[Piece]) -> None:
        """Names the place, never the error's text: that may quote a note."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        broken = EngineError(f"{type(error).__name__} in a batch at {place}: this is a bug")
        for piece in batch:
            piece.job.request.fail(broken)
        self._break(broken)
        if self._on_bug:
            self._on_bug(str(broken))

    def _break(self, why: EngineError) -> None:
        self._broken = self._broken or why
        for piece in self._lanes.close():
            piece.job.request.fail(why)

    def _observe_wait(self, batch: list[Piece], now: float) -> None:
        for piece in batch:
            waited = piece.job.request.begin(now)
            if waited is not None and self._observer:
                self._observer.waited(piece.job.request.lane, waited)

    def _observe_batch(self, batch: list[Piece], seconds: float) -> None:
        if self._observer:
            tokens = sum(piece.tokens for piece in batch)
            self._observer.batch(tokens, self.budget, len(batch), seconds)
            self._observer.busy(seconds)
            for lane in LANES:
                self._observer.depth(lane, self._lanes.depth(lane))


def _out_of_memory(error: BaseException) -> bool:
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "DefaultCPUAllocator" in str(error)
