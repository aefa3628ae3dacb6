"""What was trained → a checkpoint folder that the engine loads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from models.checkpoint import Checkpoint, seal
from models.encoder import Encoder
from models.training.config import TrainConfig
from models.training.dictionary import write_dictionary
from models.training.scheme import CATEGORIES
from models.weights import save_quantised


class Trained(Protocol):
    """A trunk and its heads."""

    encoder: Encoder

    @property
    def entities(self) -> nn.Module: ...
    @property
    def assertion(self) -> nn.Module: ...


def export(
    model: Trained,
    base: Checkpoint,
    names: list[tuple[str, str]],
    config: TrainConfig,
    folder: Path,
    figures: Mapping[str, Any] | None = None,
) -> Path:
    """Write the checkpoint next to its place, then move it there whole."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tensors = {f"encoder.{name}": tensor for name, tensor in model.encoder.state_dict().items()}
    tensors |= {f"heads.entities.{name}": tensor for name, tensor in model.entities.state_dict().items()}
    tensors |= {f"heads.assertion.{name}": tensor for name, tensor in model.assertion.state_dict().items()}
    save_quantised(tensors, part / "weights.safetensors")
    base.tokenizer.save(str(part / "tokenizer.json"))
    write_dictionary(names, part / "dictionary.tsv.gz")
    seal(part, manifest(model, config, figures or {}))
    if (folder / "README.md").exists():
        shutil.copy(folder / "README.md", part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return folder


def manifest(model: Trained, config: TrainConfig, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": config.name,
        "version": config.version,
        "license": "Apache-2.0",
        "encoder": asdict(model.encoder.config),
        "lowercase": True,
        "window": config.window,
        "overlap": config.overlap,
        "heads": [
            {"name": "entities", "kind": "entities", "categories": list(CATEGORIES)},
            {"name": "assertion", "kind": "assertion", "hidden": config.assertion_hidden},
        ],
        "sources": [{"name": s.name, "licence": s.licence, "url": s.url} for s in config.sources],
        "training": {
            "seed": config.seed,
            "tokens": config.tokens,
            "corpora": config.corpora,
            "held_out": {"seed": config.held_out.seed, "share": config.held_out.share},
        },
        "figures": dict(figures),
    }
