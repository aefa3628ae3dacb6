"""A folder → a checkpoint: labels, shapes, files, fingerprint. Says what is missing, and never imports torch.

Two layouts are read: our own (`manifest.json` names every file with its SHA-256) and Hugging Face's
(`config.json`, as `save_pretrained` writes it). A name on the Hugging Face hub stands for such a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models import huggingface
from models.errors import CheckpointError
from models.manifest import MANIFEST, read_manifest, sha256_of, together
from models.manifest import fingerprint as fingerprint_of
from models.precision import Precision
from models.shape import EncoderConfig
from models.types import Pipeline, Task

ENTITIES = "entities"
"""The layer of a head that names none."""
DEFAULT = Path(__file__).parent / "checkpoints" / "clinical-mini"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint. `window` counts [CLS] and [SEP]; `heads` are the manifest's entries.

    `weights_sha` stands for the weights alone; `precisions` is what its makers measured of each precision:
    `{"int8": {"f1_loss": points of F1, "on": what it was measured on}}`.
    """

    folder: Path
    layout: Literal["streamer", "huggingface"]
    name: str
    version: str
    fingerprint: str
    encoder: EncoderConfig
    window: int
    overlap: int
    heads: tuple[Mapping[str, Any], ...]
    weights: tuple[Path, ...]
    tokenizer: Tokenizer = field(repr=False, compare=False)
    cls_id: int
    sep_id: int
    weights_sha: str = ""
    precisions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def in_precision(self, precision: Precision) -> Checkpoint:
        """The same as it reads in `precision`; each has a fingerprint of its own, fp32 the plain one."""
        if precision == "fp32":
            return self
        digest = hashlib.sha256(f"{self.fingerprint}/{precision}".encode())
        return replace(self, fingerprint=digest.hexdigest()[:16])

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(self.name, self.version, self.fingerprint)

    @property
    def dictionary(self) -> Path | None:
        """Names of drugs and diseases for the feature masks, where the checkpoint learned with them."""
        path = self.folder / "dictionary.tsv.gz"
        return path if self.layout == "streamer" and path.exists() else None

    @property
    def layers(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Layers of spans with their categories; a span's third number counts these, layer after layer."""
        return tuple(
            (head.get("layer", ENTITIES), tuple(head["categories"]))
            for head in self.heads
            if "categories" in head
        )

    @property
    def silent(self) -> frozenset[tuple[str, str]]:
        """Layer and category of spans that only serve others (as ends of relations): not reported."""
        return frozenset(
            (head.get("layer", ENTITIES), name) for head in self.heads for name in head.get("silent", ())
        )

    @property
    def relations(self) -> tuple[str, ...]:
        """What the third number of a related pair counts."""
        found = (head["relations"] for head in self.heads if head["kind"] == "relations")
        return tuple(name for name, *_ in next(found, ()))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks that label a passage as a whole, in the order of their columns."""
        return tuple(
            Task(
                head["name"],
                tuple(head["labels"]),
                "log-odds" if head["kind"] == "text_classes" and head["independent"] else "mean",
                tuple(head.get("thresholds", ())),
            )
            for head in self.heads
            if head["kind"] in ("sequence_classes", "text_classes")
        )

    @property
    def embedding(self) -> int:
        """Numbers that a passage's embedding has; 0: there is none."""
        return next((int(head["size"]) for head in self.heads if head["kind"] == "embedding"), 0)

    def with_heads(self, names: Sequence[str]) -> Checkpoint:
        """The same with these of its heads alone."""
        heads = tuple(head for head in self.heads if head["name"] in names)
        if len(heads) == len(self.heads):
            return self
        kept = " ".join(str(head["name"]) for head in heads)
        digest = hashlib.sha256(f"{self.fingerprint}/heads {kept}".encode())
        return replace(self, heads=heads, fingerprint=digest.hexdigest()[:16])

    @property
    def word_start(self) -> NDArray[np.bool_]:
        """[vocabulary] by piece: whether it starts a word (does not begin with ##)."""
        table = np.ones(self.encoder.vocab_size, np.bool_)
        for piece, number in self.tokenizer.get_vocab().items():
            table[number] = not piece.startswith("##")
        return table

    def require_heads(self) -> None:
        """Raises `CheckpointError` if there is nothing in it that could annotate."""
        if not self.heads:
            raise CheckpointError(
                f"{self.name} is a bare base without heads; "
                f"start `streamer train --base {self.folder}` from it"
            )


def open_checkpoint(path: str | Path | None = None) -> Checkpoint:
    """The checkpoint in a folder, or of a name on the Hugging Face hub; without a path, the shipped one.

    Every file of our own layout is verified against its SHA-256. Raises `CheckpointError`.
    """
    folder = DEFAULT if path is None else Path(path)
    if not folder.is_dir():
        folder = huggingface.download(str(path)) if path is not None else folder
    if (folder / MANIFEST).is_file():
        return _open_ours(folder)
    if (folder / "config.json").is_file():
        return _open_huggingface(folder)
    raise CheckpointError(f"{folder} is no checkpoint: it has neither {MANIFEST} nor config.json")


def _open_ours(folder: Path) -> Checkpoint:
    manifest = read_manifest(folder)
    tokenizer = huggingface.load_tokenizer(folder, manifest.encoder.vocab_size)
    return Checkpoint(
        folder=folder,
        layout="streamer",
        name=manifest.name,
        version=manifest.version,
        fingerprint=fingerprint_of(manifest.sha256),
        encoder=manifest.encoder,
        window=manifest.window,
        overlap=manifest.overlap,
        heads=manifest.heads,
        weights=(folder / "weights.safetensors",),
        tokenizer=tokenizer,
        cls_id=huggingface.special(tokenizer, "[CLS]", folder),
        sep_id=huggingface.special(tokenizer, "[SEP]", folder),
        weights_sha=manifest.files.get("weights.safetensors", manifest.sha256),
        precisions=manifest.precisions,
    )


def _open_huggingface(folder: Path) -> Checkpoint:
    layout = huggingface.read_config(folder)
    tokenizer = huggingface.load_tokenizer(folder, layout.encoder.vocab_size)
    hashes = {p.name: sha256_of(p) for p in (*layout.weights, *layout.small_files)}
    digest = hashlib.sha256(msgspec.json.encode(hashes, order="sorted")).hexdigest()
    return Checkpoint(
        folder=folder,
        layout="huggingface",
        name=layout.name,
        version=digest[:12],
        fingerprint=fingerprint_of(digest),
        encoder=layout.encoder,
        window=min(layout.encoder.max_position_embeddings, 512),
        overlap=min(layout.encoder.max_position_embeddings, 512) // 4,
        heads=layout.heads,
        weights=layout.weights,
        tokenizer=tokenizer,
        cls_id=huggingface.special(tokenizer, "[CLS]", folder),
        sep_id=huggingface.special(tokenizer, "[SEP]", folder),
        weights_sha=together(hashes[path.name] for path in layout.weights),
    )
