"""Our engine as a user gets it: its readers, fed with a backlog through `submit`, every head's answers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from models.answers import Answers
from models.bench import lanes, loads, profile, soak, steady
from models.checkpoint import open_checkpoint
from models.engine import Engine
from models.reader import Reader
from models.requests import Passage

if TYPE_CHECKING:
    from models.bench.child import Work

BACKLOG_BATCHES = 5
"""Full batches for each reader that wait at any time."""
SOAK_TOKENS = range(2, 26)
"""Lengths of most passages in a soak: it is their number that counts."""
LONG_ONE_IN = 100
FOR_SURE = 16
"""Items from which on a speed is a measurement; of fewer it is only a warm-up."""
PATIENCE_S = 120.0


class Ours:
    """Options: `precision`. Texts are tokenised at the start, as the workers do it, not the engine."""

    def missing(self, cache: str) -> str | None:
        return None

    def start(self, work: Work) -> None:
        self._checkpoint = open_checkpoint(work.checkpoint)
        self._reader = Reader(self._checkpoint)
        tokens = self._reader.tokenise([item.text for item in work.items])
        self._passages: list[Passage] = [one.passage for one in tokens]
        self._sizes = [item.tokens for item in work.items]
        self._device, self._precision = work.device, work.options["precision"]
        self._cores = work.cores
        self._meter = steady.Meter()
        self._engine = self._build(None)

    def read(self, first: int, count: int) -> float:
        """In the steady state: no reader's first batch counts, and there is always a backlog."""
        self._meter.clear()
        self._feed(first, count, steady.FEWEST if count >= FOR_SURE else 2)
        return steady.rate(self._meter.batches)

    def inside(self) -> dict[str, float]:
        """Of the last reading: how full batches were, and how busy the readers."""
        return steady.fill(self._meter.batches)

    def readers(self, count: int, first: int, items: int) -> float:
        """As `read`, with an engine of so many readers."""
        full, self._engine = self._engine, self._build(count)
        try:
            self._feed(first, max(items // 4, 8))
            return self.read(first, items)
        finally:
            self._engine.close()
            self._engine = full

    def latency(self, load: float, seconds: float) -> dict[str, float]:
        """One passage a request, arriving at random, `load` tokens a second on average."""
        return loads.offered(self._engine.submit, self._passages, self._sizes, load, seconds)

    def note(self, text: str) -> dict[str, float]:
        """One note on an idle engine: seconds from its text to its answers, its tokens."""
        return loads.note(self._engine.submit, self._reader, text)

    def stat(self, count: int) -> dict[str, float]:
        """How long a stat passage takes while backfill keeps every reader busy."""
        found = lanes.stat_latency(self._engine, self._passages, self._passages, count)
        return {**asdict(found), "p50_batches": found.p50_batches, "p99_batches": found.p99_batches}

    def soak(self, total: int) -> dict[str, Any]:
        """Megabytes of this process after each tenth of `total` passages, nearly all of them short."""
        found = soak.soak(self._engine, list(_mostly_short(self._passages)), total)
        return {**asdict(found), "grown": found.grown}

    def profile(self, first: int, count: int) -> dict[str, Any]:
        """Where a batch's time goes: shares of all of it, and of a forward pass by operator."""
        most = self._checkpoint.window - 2
        some = [(ids[:most], features[:most]) for ids, features in self._some(first, count)]
        expected = sum(len(ids) + 2 for ids, _ in some)
        self._meter.clear()
        with profile.trunk_seconds(self._engine) as spent:
            self._engine.submit(some).result(PATIENCE_S)
            while sum(batch.tokens for batch in self._meter.batches) < expected:
                time.sleep(0.001)  # a batch is observed just after its answers
        whole = sum(batch.seconds for batch in self._meter.batches)
        trunk = sum(spent) / whole
        return {
            "parts": {"trunk": trunk, "heads, packing, answers": 1 - trunk},
            "operators": profile.operators(self._engine, some),
        }

    def stop(self) -> None:
        self._engine.close()

    def _build(self, readers: int | None) -> Engine:
        return Engine(
            self._checkpoint,
            self._device,
            readers=readers,
            observer=self._meter,
            precision=self._precision,
        )

    def _feed(self, first: int, count: int, batches: int = 1) -> None:
        """Returns when `count` passages were answered, in so many batches of each reader.

        A backlog waits until then; it is dropped, and what already runs is waited for.
        """
        engine = self._engine
        backlog = BACKLOG_BATCHES * engine.budget * engine.readers * len(self._sizes) // sum(self._sizes)
        together = max(backlog // 32, 1)
        waiting: deque[Future[Answers]] = deque()
        asked, answered = 0, 0
        deadline = time.monotonic() + PATIENCE_S
        while answered < count or not self._meter.each(engine.readers, batches):
            while asked - answered < backlog:
                waiting.append(engine.submit(self._some(first + asked, together)))
                asked += together
            waiting.popleft().result(deadline - time.monotonic())
            answered += together
        for future in waiting:
            future.cancel()
        idle = 0
        while idle < 2:  # a batch that was just taken is not yet known to run
            time.sleep(0.002)
            idle = 0 if engine.stalled_for() else idle + 1

    def _some(self, first: int, count: int) -> list[Passage]:
        return [self._passages[(first + i) % len(self._passages)] for i in range(count)]


def _mostly_short(passages: Sequence[Passage]) -> Iterator[Passage]:
    for number, (ids, features) in enumerate(islice(cycle(passages), 10 * LONG_ONE_IN)):
        tokens = len(ids) if number % LONG_ONE_IN == 0 else SOAK_TOKENS[number % len(SOAK_TOKENS)]
        yield ids[:tokens], features[:tokens]


PEER = Ours
