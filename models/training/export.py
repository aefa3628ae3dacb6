"""What was trained → a checkpoint folder that the engine loads."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import msgspec
from torch import nn

from models.checkpoint import MANIFEST, Checkpoint, seal
from models.encoder import Encoder
from models.training.config import TrainConfig
from models.training.dictionary import write_dictionary
from models.corpora.scheme import CATEGORIES
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
) -> Path:
    """Write the checkpoint next to its place, then move it there whole."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tensors = {f"encoder.{name}": tensor for name, tensor in model.encoder.state_dict().items()}
    tensors |= {f"heads.entities.{name}": tensor for name, tensor in model.entities.state_dict().items()}
    tensors |= {f"heads.assertion.{name}": tensor for name, tensor in model.assertion.state_dict().items()}
    tensors["heads.entities.tags.bias"] = tensors["heads.entities.tags.bias"].clone()
    tensors["heads.entities.tags.bias"][0] += config.outside_bias
    save_quantised(tensors, part / "weights.safetensors")
    (part / "weights.safetensors").chmod(0o644)
    base.tokenizer.save(str(part / "tokenizer.json"))
    write_dictionary(names, part / "dictionary.tsv.gz")
    seal(part, manifest(model, base, config))
    if (folder / "README.md").exists():
        shutil.copy(folder / "README.md", part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return folder


def record(folder: Path, **measured: Any) -> None:
    """Put what was measured of a checkpoint into its manifest: `figures`, `precisions`."""
    known = msgspec.json.decode((folder / MANIFEST).read_bytes())
    derived = ("format", "formatVersion", "files", "sha256")
    seal(folder, {key: value for key, value in known.items() if key not in derived} | measured)


def manifest(model: Trained, base: Checkpoint, config: TrainConfig) -> dict[str, Any]:
    return {
        "name": config.name,
        "version": config.version,
        "license": "Apache-2.0",
        "encoder": asdict(model.encoder.config),
        "lowercase": base.tokenizer.encode("A").ids == base.tokenizer.encode("a").ids,
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
            "outside_bias": config.outside_bias,
            "corpora": config.corpora,
            "held_out": {"seed": config.held_out.seed, "share": config.held_out.share},
        },
    }
