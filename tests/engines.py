"""The engine for tests: passages to ask it, a gate before its device, and the engine as a real process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from torch import Tensor

from models.answers import Answer, Answers
from models.checkpoint import Checkpoint
from models.engine import Engine
from models.forward import Projected
from models.requests import Passage
from tests.checkpoints import vocabulary

SERVE = """
import sys
from models.server import serve
{before}
serve(sys.argv[1], sys.argv[2], "cpu", ready=lambda: print("ready", flush=True), hang_seconds={hang_seconds})
"""


class EngineProcess:
    """`before`: Python that runs first, e.g. to break something; a socket lies in `folder`: keep it short."""

    def __init__(self, checkpoint: Path, folder: Path, before: str = "", hang_seconds: float = 30) -> None:
        self.address = f"ipc://{folder}/engine.sock"
        self._code = SERVE.format(before=before, hang_seconds=hang_seconds)
        self._checkpoint = checkpoint
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Returns when it takes requests."""
        self.begin()
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def begin(self) -> None:
        """Returns at once."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._code, str(self._checkpoint), self.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code, and what it said on standard error."""
        assert self.process is not None
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=120)
        return self.process.returncode, said

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


PIECES = len(vocabulary())


def passage(tokens: int, seed: int = 0) -> Passage:
    rng = np.random.default_rng(seed)
    return rng.integers(5, PIECES, tokens, dtype=np.int32), np.zeros(tokens, np.uint8)


def same(a: Answer, b: Answer) -> bool:
    """Bit by bit."""
    arrays = [(a.spans, b.spans), (a.confidence, b.confidence), (a.assertion, b.assertion)]
    arrays += list(zip(a.classes, b.classes, strict=True))
    return a.status == b.status and all(x.tobytes() == y.tobytes() for x, y in arrays)


def result(future: Future[Answers]) -> list[Answer]:
    return future.result(60).answers


def own_rows(batch: Projected, rows: Tensor | None = None) -> list[Tensor]:
    """`rows` of each window's tokens, without [CLS] and [SEP], as they lie; else what the spans head gave."""
    whole = batch.spans[0] if rows is None else rows
    return [whole[a + 1 : b - 1] for a, b in pairwise([0, *batch.ends.tolist()])]


class Gate:
    """Stands before the forward pass: holds batches until opened, and remembers them."""

    def __init__(self, engine: Engine) -> None:
        self.inner = engine.forward
        self.open = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        engine.forward = self  # type: ignore[assignment]

    def __call__(self, windows: Sequence[Passage]) -> Projected:
        self.batches.append([len(ids) for ids, _ in windows])
        self.arrived.release()
        assert self.open.wait(30)
        return self.inner(windows)


def gated(checkpoint: Checkpoint, **options: Any) -> tuple[Engine, Gate]:
    """An engine with one reader that is busy with a first batch until the gate opens."""
    engine = Engine(checkpoint, "cpu", readers=1, **options)
    gate = Gate(engine)
    engine.submit([passage(1)])
    assert gate.arrived.acquire(timeout=30)
    return engine, gate
