"""Where a batch's time goes: the trunk against the rest, and the operators of a forward pass."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from models.engine import Engine
from models.requests import Passage

OUTSIDE = "outside torch"
"""On a CPU: the compiled passes between torch's operators, and Python. On a GPU: it waits for work."""
OPERATORS = 12
"""How many are named; the others are one."""


@contextmanager
def trunk_seconds(engine: Engine) -> Iterator[list[float]]:
    """Seconds of every trunk pass of all readers, while this is open."""
    spent: list[float] = []
    trunk = engine.forward._encoder

    def timed(*arguments: Any) -> torch.Tensor:
        begun = time.perf_counter()
        hidden = trunk(*arguments)
        if engine.device != "cpu":
            torch.cuda.current_stream().synchronize()
        spent.append(time.perf_counter() - begun)
        return hidden

    engine.forward._encoder = timed
    try:
        yield spent
    finally:
        engine.forward._encoder = trunk


def operators(engine: Engine, passages: Sequence[Passage]) -> dict[str, float]:
    """Shares of the time of forward passes over `passages`, on one core: the largest operators' own."""
    on_cpu = engine.device == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    batches = list(_batches(passages, engine.budget))
    engine.forward(batches[0])
    kinds = [ProfilerActivity.CPU, *([] if on_cpu else [ProfilerActivity.CUDA])]
    with profile(activities=kinds) as found:
        begun = time.perf_counter()
        for batch in batches:
            engine.forward(batch)
        whole = (time.perf_counter() - begun) * 1e6
    own = {
        row.key: float(row.self_cpu_time_total if on_cpu else row.self_device_time_total)
        for row in found.key_averages()
    }
    whole = max(whole, sum(own.values()))
    top = sorted(own, key=lambda name: -own[name])[:OPERATORS]
    shares = {name: own[name] / whole for name in top}
    rest = sum(own.values()) / whole - sum(shares.values())
    return shares | {"other operators": rest, OUTSIDE: 1 - sum(shares.values()) - rest}


def _batches(passages: Sequence[Passage], budget: int) -> Iterator[list[Passage]]:
    """In their order, as many as the budget takes."""
    batch: list[Passage] = []
    tokens = 0
    for passage in passages:
        size = len(passage[0]) + 2
        if batch and tokens + size > budget:
            yield batch
            batch, tokens = [], 0
        batch.append(passage)
        tokens += size
    yield batch
