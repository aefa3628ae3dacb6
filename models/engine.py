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
from itertools import accumulate

import torch

from models.answers import Answers, faults
from models.checkpoint import Checkpoint
from models.errors import EngineError
from models.forward import Forward, Projected, choose_device
from models.lanes import Lanes
from models.observer import Observer as Observer
from models.precision import Precision
from models.reading import Reading
from models.requests import Long, Passage, Piece, Request, pieces, runs
from models.types import LANES, Lane

CPU_BUDGET, CUDA_BUDGET = 1024, 16384
"""Tokens a batch: enough to be at full speed, few enough to answer soon."""

CLOSE_SECONDS = 10.0
"""A reader that hangs on its device for longer is left behind."""


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
        self._reading = Reading(self.forward.heads, checkpoint.word_start, self.forward.device)
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
        request = Request(len(passages))
        if not self._lanes.put(pieces(request, passages, self._limit, self._overlap), lane, owner):
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
        with self.forward.own_stream():
            while batch := self._lanes.take(self.budget):
                try:
                    self._turn(batch)
                except Exception as error:
                    self._crash(error, batch)

    def _turn(self, batch: list[Piece]) -> None:
        """One batch, from the queue to its answers."""
        begun = time.monotonic()
        for start, _ in runs(batch):
            batch[start].request.begin(begun)
        try:
            self._read(batch)
        finally:
            del self._running[threading.get_ident()]
        self._observe_batch(batch, time.monotonic() - begun)

    def _read(self, batch: list[Piece]) -> None:
        """Encode, read and answer; in halves where there is no memory for it all."""
        self._running[threading.get_ident()] = time.monotonic()
        try:
            encoded = self.forward([piece.passage for piece in batch])
            answers = self._reading.batch(encoded)
        except Exception as error:
            if not _out_of_memory(error):
                raise
        else:
            return self._answer(batch, encoded, answers)
        if len(batch) == 1:
            return self._answer(batch, None, faults("device-out-of-memory", 1))
        self.budget = max(min(self.budget, sum(piece.tokens for piece in batch) // 2), self._limit + 2)
        if self.device != "cpu":
            torch.cuda.empty_cache()
        half = len(batch) // 2
        self._read(batch[:half])
        return self._read(batch[half:])

    def _answer(self, batch: list[Piece], encoded: Projected | None, answers: Answers) -> None:
        """To every request its passages; a long passage when its last window is read."""
        edges = list(accumulate(answers.counts.tolist(), initial=0))
        for start, stop in runs(batch):
            piece = batch[start]
            if piece.long is None:
                part = answers.part(start, stop, edges[start], edges[stop])
                piece.request.answer([own.number for own in batch[start:stop]], part)
            else:
                rows = encoded and self._reading.rows(encoded, start, piece.long, piece.index)
                if piece.long.lay(piece.index, rows):
                    piece.request.answer([piece.number], self._whole(piece.long))

    def _whole(self, long: Long) -> Answers:
        try:
            return self._reading.whole(long)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            return faults("device-out-of-memory", 1)

    def _crash(self, error: Exception, batch: list[Piece]) -> None:
        """Names the place, never the error's text: that may quote a note."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        broken = EngineError(f"{type(error).__name__} in a batch at {place}: this is a bug")
        for piece in batch:
            piece.request.fail(broken)
        self._break(broken)
        if self._on_bug:
            self._on_bug(str(broken))

    def _break(self, why: EngineError) -> None:
        self._broken = self._broken or why
        for piece in self._lanes.close():
            piece.request.fail(why)

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
