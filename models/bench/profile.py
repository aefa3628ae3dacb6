"""Where a batch's time goes: the trunk against the rest, and the operators of a forward pass."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.profiler import ProfilerActivity, profile

from models.engine import Engine
from models.requests import Passage

OPERATORS = 12
"""How many are named; the others are one."""


@contextmanager
def outermost_modules() -> Iterator[dict[str, float]]:
    """Seconds in each kind of module that no other module called, over all threads, while this is open."""
    spent: dict[str, float] = defaultdict(float)
    inside = threading.local()

    def enter(module: torch.nn.Module, _: Any) -> None:
        if getattr(inside, "module", None) is None:
            inside.module, inside.since = module, time.perf_counter()

    def leave(module: torch.nn.Module, *_: Any) -> None:
        if getattr(inside, "module", None) is module:
            spent[type(module).__name__] += time.perf_counter() - inside.since
            inside.module = None

    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


def operators(engine: Engine, passages: Sequence[Passage]) -> dict[str, float]:
    """Share of each operator's own time in forward passes over `passages`, on one core; the largest."""
    on_cpu = engine.device == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    batches = list(_batches(passages, engine.budget))
    engine.forward(batches[0])
    kinds = [ProfilerActivity.CPU, *([] if on_cpu else [ProfilerActivity.CUDA])]
    with profile(activities=kinds) as found:
        for batch in batches:
            engine.forward(batch)
    own = {
        row.key: float(row.self_cpu_time_total if on_cpu else row.self_device_time_total)
        for row in found.key_averages()
    }
    total = sum(own.values()) or 1.0
    top = sorted(own, key=lambda name: -own[name])[:OPERATORS]
    shares = {name: own[name] / total for name in top}
    return shares | {"others": 1 - sum(shares.values())}


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
