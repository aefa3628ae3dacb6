"""Where a run stands, and how fast it learns there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step. `loss`: a running mean; `eta`: seconds left; `parts`: by task;
    `dev`: figures on what is not learned from, if they were just taken; `stage`: of a run with several."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    eta: float
    parts: Mapping[str, float] = field(default_factory=dict)
    dev: Mapping[str, float] = field(default_factory=dict)
    stage: str = ""


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Share of the full rate: up during the warm-up, then in a line down to 0."""
    if step < warm_up:
        return (step + 1) / warm_up
    return (steps - step) / max(1, steps - warm_up)
