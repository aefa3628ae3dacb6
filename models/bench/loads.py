"""An engine under other loads than a full backlog: passages arriving at random, one whole note."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np

from models.answers import Answers
from models.passages import split
from models.reader import Reader
from models.requests import Passage
from models.sections import find_sections

PATIENCE_S = 60.0


class Submit(Protocol):
    def __call__(self, passages: Sequence[Passage], /) -> Future[Answers]: ...


def arrivals(rate: float, seconds: float, seed: int = 0) -> list[float]:
    """Moments from 0 to `seconds`, `rate` a second on average, as a Poisson process has them."""
    chance, moments, now = random.Random(seed), [], 0.0
    while (now := now + chance.expovariate(rate)) < seconds:
        moments.append(now)
    return moments


def offered(
    submit: Submit, passages: Sequence[Passage], sizes: Sequence[int], load: float, seconds: float
) -> dict[str, float]:
    """Latencies from the moment that a passage should have arrived, so a late sender hides nothing."""
    moments = arrivals(load / (sum(sizes) / len(sizes)), seconds)
    done: list[float] = []
    futures: list[Future[Answers]] = []
    begun = time.monotonic()
    for number, moment in enumerate(moments):
        if (wait := begun + moment - time.monotonic()) > 0:
            time.sleep(wait)
        future = submit([passages[number % len(passages)]])
        due = begun + moment
        future.add_done_callback(lambda _, due=due: done.append(time.monotonic() - due))  # type: ignore[misc]
        futures.append(future)
    for future in futures:
        future.result(PATIENCE_S)
    while len(done) < len(futures):
        time.sleep(0.001)  # the last callback runs just after its future is done
    if not done:
        return {"passages": 0}
    p50, p99 = np.percentile(done, [50, 99])
    return {"p50_ms": float(p50) * 1e3, "p99_ms": float(p99) * 1e3, "passages": len(done)}


def note(submit: Submit, reader: Reader, text: str) -> dict[str, float]:
    """A note's whole reading but for its record: sections, passages, tokens, engine."""
    begun = time.monotonic()
    found = split(text, find_sections(text))
    tokens = reader.tokenise([passage.text for passage in found])
    submit([one.passage for one in tokens]).result(PATIENCE_S)
    return {
        "seconds": time.monotonic() - begun,
        "tokens": float(sum(len(one) for one in tokens)),
        "passages": float(len(found)),
    }
