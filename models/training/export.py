"""What was trained → a checkpoint folder that the engine loads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from models.checkpoint import ENTITIES, Checkpoint
from models.corpora.scheme import PROBLEM
from models.heads.assertion import Assertion
from models.heads.embedding import Embedding
from models.heads.entities import Entities
from models.heads.relations import Relations
from models.heads.text_classes import TextClasses
from models.manifest import MANIFEST, seal
from models.training.config import TrainConfig
from models.training.dictionary import write_dictionary
from models.training.model import Model
from models.training.scheme import Scheme
from models.weights import save_quantised

AFFIRMED = {"ADVERSE_EFFECT_OF"}
"""Relations whose source must not be denied."""
SILENT = {"events": ["DRUG"]}
"""By layer, categories that help to learn and are not reported: the drugs of events are medications."""
DEPENDENT = {"events": ["EFFECT"]}
"""By layer, categories that are reported where a relation has them: an effect is one of a drug."""


def export(
    model: Model,
    base: Checkpoint,
    names: Sequence[tuple[str, str]],
    config: TrainConfig,
    folder: Path,
) -> Path:
    """Write the checkpoint next to its place, then move it there whole."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    if "heads.entities.tags.bias" in tensors:
        tensors["heads.entities.tags.bias"][0] += config.outside_bias
    save_quantised(tensors, part / "weights.safetensors")
    (part / "weights.safetensors").chmod(0o644)
    base.tokenizer.save(str(part / "tokenizer.json"), pretty=False)
    if names:
        write_dictionary(names, part / "dictionary.tsv.gz")
    seal(part, manifest(model, base, config))
    if (folder / "README.md").exists():
        shutil.copy(folder / "README.md", part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return folder


def record(folder: Path, **measured: Any) -> None:
    """Put what was measured of a checkpoint into its manifest: `figures`, `precisions`."""
    rewrite(folder, measured)


def settle(folder: Path, heads: Mapping[str, Mapping[str, Any]]) -> None:
    """Put what was fitted after training (`thresholds`, `calibration`) into the manifest's heads, by name."""
    known = msgspec.json.decode((folder / MANIFEST).read_bytes())
    rewrite(folder, {"heads": [head | dict(heads.get(head["name"], {})) for head in known["heads"]]})


def rewrite(folder: Path, changes: Mapping[str, Any]) -> None:
    known = msgspec.json.decode((folder / MANIFEST).read_bytes())
    derived = ("format", "formatVersion", "files", "sha256")
    seal(folder, {key: value for key, value in known.items() if key not in derived} | dict(changes))


def manifest(model: Model, base: Checkpoint, config: TrainConfig) -> dict[str, Any]:
    return {
        "name": config.name,
        "version": config.version,
        "license": "Apache-2.0",
        "encoder": asdict(model.encoder.config),
        "lowercase": base.tokenizer.encode("A").ids == base.tokenizer.encode("a").ids,
        "window": config.window,
        "overlap": min(config.overlap, (config.window - 2) // 2),
        "heads": list(_heads(model, model.scheme)),
        "sources": [{"name": s.name, "licence": s.licence, "url": s.url} for s in config.sources],
        "training": {
            "seed": config.seed,
            "tokens": config.tokens,
            "outside_bias": config.outside_bias,
            "corpora": config.corpora,
            "held_out": {"seed": config.held_out.seed, "share": config.held_out.share},
        },
    }


def _heads(model: Model, scheme: Scheme) -> Iterator[dict[str, Any]]:
    for name, head in model.heads.items():
        settings: dict[str, Any] = {"name": name}
        if isinstance(head, Entities):
            settings |= {"kind": "entities", "layer": name, "categories": list(head.categories)}
            if name == ENTITIES:
                alike = sorted(PROBLEM.intersection(head.categories))
                settings |= {"exact": True} | ({"alike": [alike]} if len(alike) > 1 else {})
            settings |= {"silent": SILENT[name]} if name in SILENT else {}
            settings |= {"dependent": DEPENDENT[name]} if name in DEPENDENT else {}
        elif isinstance(head, Assertion):
            settings |= {"kind": "assertion", "hidden": head.mix.in_features}
        elif isinstance(head, Relations):
            rows = [[own, sorted(a), sorted(b)] for own, (a, b) in scheme.relations.items()]
            settings |= {"kind": "relations", "hidden": head.mix.in_features, "kinds": list(head.kinds)}
            settings |= {"relations": rows, "reach": head.reach, "nearest": head.nearest}
            settings |= {"thresholds": head.thresholds.tolist()}
            settings |= {"affirmed": sorted(AFFIRMED & scheme.relations.keys())}
        elif isinstance(head, TextClasses):
            settings |= {"kind": "text_classes", "labels": list(head.labels)}
            settings |= {"independent": head.independent, "hidden": head.mix.out_features}
            settings |= {"pieces": head.bag.pieces.tolist()} if head.bag is not None else {}
        elif isinstance(head, Embedding):
            settings |= {"kind": "embedding", "size": head.turn.out_features}
        yield settings
