"""A checkpoint from a user's own labelled texts: in any format of docs/training-data.md, on any BERT.

What the folder has labels for is what is learned: entities, relations, assertion, classes of texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from models.checkpoint import Checkpoint, open_checkpoint
from models.corpora.own import Own
from models.corpora.scheme import Document
from models.errors import CheckpointError
from models.features import FeatureDictionary
from models.forward import choose_device
from models.training.bases import base_folder
from models.training.config import TrainConfig
from models.training.dictionary import read_dictionary
from models.training.export import export, record
from models.training.material import Material
from models.training.model import Model
from models.training.own_recipe import HEADS, HELD, OwnRecipe, train_config
from models.training.progress import Progress
from models.training.quicker import quicker
from models.training.scheme import Scheme, Task
from models.training.train import STATE, Loop, train
from models.training.validation import Validation

RUN, HISTORY = "run.json", "history.jsonl"


@dataclass(frozen=True)
class Trained:
    """`folder`: of the finished checkpoint; `dev`: documents that it did not learn from; `figures`: on them,
    as the loop measures them, of the weights that were kept."""

    folder: Path
    config: TrainConfig
    learned: int
    dev: tuple[Document, ...]
    figures: dict[str, float]


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


def train_own(
    own: Own,
    folder: Path,
    recipe: OwnRecipe,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Trained:
    """Train, or go on where a run into `folder` was cut off, to the checkpoint `folder / "checkpoint"`.

    `folder / "history.jsonl"` has the losses, and the figures on what is not learned from (`own.split`);
    training stops when these have not risen `recipe.patience` times, and the best weights are kept.
    Raises `CheckpointError`, also for a folder in which a run on other texts or settings was begun.
    """
    scheme = own_scheme(own, recipe.heads)
    start = open_checkpoint(base_folder(recipe.base))
    room = start.encoder.max_position_embeddings
    recipe = recipe.changed(name=recipe.name or folder.name, window=min(recipe.window, room))
    learned, dev = own.split(HELD, recipe.dev_share)
    config = train_config(recipe, learned)
    config = msgspec.structs.replace(config, longest=config.window - 2)
    _begin(folder, recipe, start, own)
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    names = read_dictionary(start.dictionary) if start.dictionary else []
    material = Material({"own": learned}, [], start.tokenizer, FeatureDictionary(names), scheme, config)
    validation = Validation.of(material, {"dev": dev}, start.word_start, config)
    model = Model(start, scheme, config.sizes, quicker(config.mixed), config.dropout)
    model.to(choose_device("auto"))
    train(model, Loop(material, config, folder / STATE, validation, folder / HISTORY), on_progress)
    finished = export(model, start, names, config, folder / "checkpoint")
    figures = validation(model)
    record(finished, figures={"dev": figures, "documents": len(dev)}, base=_whence(start, recipe.base))
    return Trained(finished, config, len(learned), dev, figures)


def digest_of(own: Own) -> bytes:
    """Of all texts and labels: the same for the same data."""
    digest = hashlib.sha256()
    for document in own.documents:
        digest.update(json.dumps(msgspec.to_builtins(document, order="deterministic")).encode())
    return digest.digest()


def _begin(folder: Path, recipe: OwnRecipe, start: Checkpoint, own: Own) -> None:
    """Note down what the weights will follow from; refuse to go on with what follows from something else."""
    settings = msgspec.json.encode([msgspec.to_builtins(recipe), start.weights_sha])
    digest = hashlib.sha256(settings + digest_of(own)).hexdigest()
    told = {"digest": digest, "base": _whence(start, recipe.base)}
    told |= {"recipe": msgspec.to_builtins(recipe)}
    path = folder / RUN
    if (folder / STATE).exists():
        before = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
        if before.get("digest") != told["digest"]:
            raise CheckpointError(
                f"{folder} holds a run on other texts or settings; name another one with --out, or remove it"
            )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")


def _whence(start: Checkpoint, base: str) -> dict[str, str]:
    return {"name": start.name, "version": start.version, "fingerprint": start.fingerprint, "given": base}
