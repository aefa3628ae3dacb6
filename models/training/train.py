"""The training loop, top to bottom: batches → losses → steps → weights.

Joint training of trunk and heads on all corpora at once. A run is a function of its configuration and data:
batches are drawn from seeds, so that a run that was cut off and goes on ends with the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import torch
from torch import nn

from models.training.config import TrainConfig
from models.training.material import Material
from models.training.model import Model, weighted
from models.training.progress import Progress, schedule
from models.training.run import Run
from models.training.validation import Validation

STATE = "training.pt"


@dataclass(frozen=True)
class Loop:
    """What a run goes round with. `state`: where it is saved on the way; `validation`: looked at between;
    `history`: one JSON object a look, {"step", "loss", "parts", "dev"}."""

    material: Material
    config: TrainConfig
    state: Path
    validation: Validation | None = None
    history: Path | None = None


def train(model: Model, loop: Loop, on_progress: Callable[[Progress], None]) -> None:
    """Steps from where the state was saved, or from the first, to the last; or to where nothing gets better,
    and then the best weights are put back."""
    config = loop.config
    optimizer = torch.optim.AdamW(_groups(model, config), weight_decay=config.weight_decay, fused=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    run = Run.restored(model, optimizer, loop.state)
    first, parts = run.step, dict[str, float]()
    began, seen = time.monotonic(), 0
    batches = loop.material.batches(skip=first * config.accumulate)
    model.train()
    while run.step < config.steps and not run.stopped(config.patience):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * schedule(run.step, config.steps, config.warm_up)
        optimizer.zero_grad()
        for batch in islice(batches, config.accumulate):
            losses = model.losses(batch.to(model.device), loop.material.tables_on(model.device))
            loss = weighted(losses, config)
            (loss / config.accumulate).backward()  # type: ignore[no-untyped-call]
            seen += batch.tokens
            run.loss = _smooth(run.loss, loss.item(), run.step)
            parts = {
                name: _smooth(parts.get(name, own.item()), own.item(), run.step)
                for name, own in losses.items()
            }
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.step += 1
        dev = _looked(model, loop, run, parts)
        if run.step % config.save_every == 0 or run.step == config.steps:
            run.save(model, optimizer, loop.state)
        speed = seen / (time.monotonic() - began)
        left = (config.steps - run.step) * (seen / (run.step - first)) / speed
        on_progress(Progress(run.step, config.steps, run.loss, speed, left, parts, dev))
    run.put_back(model, loop.state)


def _looked(model: Model, loop: Loop, run: Run, parts: Mapping[str, float]) -> Mapping[str, float]:
    """At the documents that are not learned from, if it is time to."""
    every = loop.config.validate_every or loop.config.save_every
    if loop.validation is None or (run.step % every and run.step != loop.config.steps):
        return {}
    dev = loop.validation(model)
    if run.better(sum(dev.values()) / max(1, len(dev))):
        run.keep(model, loop.state)
    if loop.history is not None:
        line = {"step": run.step, "loss": run.loss, "parts": dict(parts), "dev": dev}
        with loop.history.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
    return dev


def _smooth(before: float, now: float, step: int) -> float:
    return 0.98 * before + 0.02 * now if step else now


def _groups(model: Model, config: TrainConfig) -> list[dict[str, object]]:
    """The trunk learns slowly; what starts from nothing (heads and feature table) learns fast."""
    slow = [p for name, p in model.encoder.named_parameters() if not name.startswith("features.")]
    ids = {id(p) for p in slow}
    fast = [p for p in model.parameters() if id(p) not in ids]
    return [{"params": slow, "lr": config.encoder_rate}, {"params": fast, "lr": config.head_rate}]
