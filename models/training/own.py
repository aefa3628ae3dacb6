"""A checkpoint from a user's own labelled texts: in any format of docs/training-data.md, on any BERT.

What the folder has labels for is what is learned: entities, relations, assertion, classes of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import torch

from models.checkpoint import open_checkpoint
from models.corpora.own import Own
from models.corpora.scheme import Document
from models.errors import CheckpointError
from models.features import FeatureDictionary
from models.training.bases import base_folder
from models.training.config import Held, TrainConfig
from models.training.export import export, record
from models.training.material import Material
from models.training.model import Model
from models.training.progress import Progress
from models.training.quicker import quicker
from models.training.scheme import Scheme, Task
from models.training.train import STATE, Loop, train
from models.training.validation import Validation

HEADS = ("entities", "assertion", "relations", "classes")
DEV_SHARE = 0.15
FEWEST_STEPS, MOST_STEPS = 120, 20_000
EPOCHS = 12


def own_scheme(own: Own, heads: Sequence[str] = HEADS) -> Scheme:
    """What the labels allow, of these heads. Raises `CheckpointError` where nothing is left to learn."""
    labels = own.labels
    layers = {"entities": labels.entities} if labels.entities and "entities" in heads else {}
    scheme = Scheme(
        layers,
        {name: (frozenset(a), frozenset(b)) for name, (a, b) in labels.relations.items()}
        if layers and "relations" in heads
        else {},
        {name: Task(task.labels, task.several) for name, task in labels.classes.items()}
        if "classes" in heads
        else {},
        bool(labels.assertion) and bool(layers) and "assertion" in heads,
    )
    if not scheme.layers and not scheme.tasks:
        raise CheckpointError(f"the data have no labels for the heads {', '.join(heads)}; choose others")
    return scheme


def own_config(name: str, documents: Sequence[Document], **changes: object) -> TrainConfig:
    """A recipe for so many documents: about `EPOCHS` times over them, and stopping early."""
    characters = sum(len(document.text) for document in documents)
    defaults = TrainConfig(
        name=name, version="1", corpora={"own": 1.0}, held_out=Held("own", DEV_SHARE), synthetic=0,
        surrogates=0, batch_tokens=1024, masked=0.03, encoder_rate=2e-4, head_rate=1e-3, warm_up=30,
        save_every=100, patience=6,
    )  # fmt: skip
    chosen = msgspec.structs.replace(defaults, **changes)
    if "tokens" in changes:
        return chosen
    tokens = EPOCHS * characters // 4
    least, most = FEWEST_STEPS * chosen.batch_tokens, MOST_STEPS * chosen.batch_tokens
    return msgspec.structs.replace(chosen, tokens=min(max(tokens, least), most))


def train_own(
    own: Own,
    base: str,
    folder: Path,
    config: TrainConfig,
    heads: Sequence[str] = HEADS,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Train, or go on where a run into `folder` was cut off. Returns the finished checkpoint's folder.

    `folder / "history.jsonl"` has the losses, and the figures on what is not learned from (`own.split`);
    training stops when these have not risen `config.patience` times, and the best weights are kept.
    Raises `CheckpointError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    start = open_checkpoint(base_folder(base))
    config = msgspec.structs.replace(
        config, window=min(config.window, start.encoder.max_position_embeddings), longest=config.window - 2
    )
    learned, dev = own.split(config.held_out.seed, config.held_out.share)
    scheme = own_scheme(own, heads)
    material = Material({"own": learned}, [], start.tokenizer, FeatureDictionary([]), scheme, config)
    validation = Validation.of(material, {"dev": dev}, start.word_start, config)
    model = Model(start, scheme, config.sizes, quicker(config.mixed), config.dropout)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    train(model, Loop(material, config, folder / STATE, validation, folder / "history.jsonl"), on_progress)
    finished = export(model, start, (), config, folder / "checkpoint")
    record(finished, figures={"dev": validation(model), "documents": len(dev)})
    return finished
