"""Folders of weights for the benchmark: BERT-base with random ones, and ours as other libraries read them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from models.checkpoint import ENTITIES, Checkpoint
from models.encoder import Encoder
from models.shape import EncoderConfig
from models.weights import load

BERT_BASE = EncoderConfig(
    vocab_size=28_996,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
)
"""As BERT-base cased, and so Bio_ClinicalBERT."""
LABELS = ("O", *(f"{prefix}-{name}" for prefix in "BI" for name in ("PROBLEM", "TEST", "TREATMENT")))
OUTSIDE_BIAS = 1.5
"""Makes about nine in ten tokens of a random trunk no entity, as in notes."""
VERSION = 2
"""Counts changes of what is written here."""


def products(config: EncoderConfig) -> list[tuple[int, int]]:
    """(inputs, outputs) of the products that take most of a layer's time."""
    width, inner = config.hidden_size, config.intermediate_size
    return [(width, 3 * width), (width, inner), (inner, width)]


def called(name: str, config: EncoderConfig) -> str:
    """For people, e.g. "bert-base (12 × 768)"."""
    return f"{name} ({config.num_hidden_layers} × {config.hidden_size})"


def bert_base(cache: Path, tokenizer: Tokenizer, config: EncoderConfig = BERT_BASE) -> Path:
    """A token classifier of that shape, random weights, in Hugging Face's layout; speed only.

    Its vocabulary are the first pieces of `tokenizer`, so that nothing need be fetched.
    """
    name = f"bert-base-{config.num_hidden_layers}x{config.hidden_size}-{VERSION}"

    def write(folder: Path) -> None:
        save_file(_random(config), folder / "model.safetensors", {"format": "pt"})
        _write_small(folder, config, LABELS, _shortened(tokenizer, config.vocab_size))

    return _once(cache / name, write)


def twin(checkpoint: Checkpoint, cache: Path) -> Path:
    """The checkpoint as other libraries read it: its trunk and its entity tags, without feature masks."""
    if checkpoint.layout == "huggingface":
        return checkpoint.folder
    encoder, heads = load(checkpoint)
    tags = {
        name.rpartition(".")[2]: tensor
        for name, tensor in _state(heads.spans[0] if heads.spans else None).items()
    }
    labels = next((head["labels"] for head in checkpoint.heads if "labels" in head), None)
    labels = labels or [
        "O",
        *(f"{prefix}-{name}" for prefix in "BI" for name in dict(checkpoint.layers)[ENTITIES]),
    ]

    def write(folder: Path) -> None:
        save_file(_renamed(encoder.state_dict(), tags), folder / "model.safetensors", {"format": "pt"})
        _write_small(folder, checkpoint.encoder, labels, checkpoint.tokenizer)

    return _once(cache / f"{checkpoint.name}-{checkpoint.fingerprint}-{VERSION}", write)


def _once(folder: Path, write: Callable[[Path], None]) -> Path:
    """`folder`, written whole or not at all; as it is where it is there."""
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        part.mkdir(parents=True)
        try:
            write(part)
            if not folder.is_dir():
                part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_small(folder: Path, config: EncoderConfig, labels: Sequence[str], tokenizer: Tokenizer) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    specials = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    files: dict[str, Mapping[str, Any]] = {
        "config.json": {
            "architectures": ["BertForTokenClassification"],
            "model_type": "bert",
            "hidden_act": "gelu",
            **{name: value for name, value in vars(config).items() if name != "features"},
            "id2label": {str(number): label for number, label in enumerate(labels)},
            "label2id": {label: number for number, label in enumerate(labels)},
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": config.max_position_embeddings,
            "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
            **specials,
        },
    }
    for name, fields in files.items():
        (folder / name).write_text(json.dumps(fields, indent=1))


def _shortened(tokenizer: Tokenizer, pieces: int) -> Tokenizer:
    fields = json.loads(tokenizer.to_str())
    vocabulary = fields["model"]["vocab"]
    fields["model"]["vocab"] = {piece: number for piece, number in vocabulary.items() if number < pieces}
    return Tokenizer.from_str(json.dumps(fields))


def _random(config: EncoderConfig) -> dict[str, Tensor]:
    """Weights as a fresh BERT has them: normal, 0.02; biases 0."""
    generator = torch.Generator().manual_seed(0)
    encoder, classifier = Encoder(config), torch.nn.Linear(config.hidden_size, len(LABELS))
    for module in (*encoder.modules(), classifier):
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=0.02, generator=generator)
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.zeros_(module.bias)
    classifier.bias.data[0] = OUTSIDE_BIAS
    return _renamed(encoder.state_dict(), classifier.state_dict())


def _renamed(encoder: Mapping[str, Tensor], classifier: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A token classifier's tensors under Hugging Face's names."""
    tensors = _split({f"bert.{_foreign(name)}": tensor for name, tensor in encoder.items()})
    tensors |= {f"classifier.{name}": tensor for name, tensor in classifier.items()}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


FOREIGN = (
    ("words.", "embeddings.word_embeddings."),
    ("positions.", "embeddings.position_embeddings."),
    ("types.", "embeddings.token_type_embeddings."),
    ("norm.", "embeddings.LayerNorm."),
    ("layers.", "encoder.layer."),
)
FOREIGN_IN_LAYER = (
    (".out.", ".attention.output.dense."),
    (".attention_norm.", ".attention.output.LayerNorm."),
    (".up.", ".intermediate.dense."),
    (".down.", ".output.dense."),
    (".output_norm.", ".output.LayerNorm."),
)


def _foreign(name: str) -> str:
    """Our name of a trunk's tensor → Hugging Face's."""
    for ours, theirs in FOREIGN:
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    for ours, theirs in FOREIGN_IN_LAYER:
        if ours in name and name.startswith("encoder."):
            return name.replace(ours, theirs)
    return name


def _split(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the feature table; one matrix each for queries, keys and values."""
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if ".qkv." in name:
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                out[name.replace(".qkv.", f".attention.self.{part}.")] = rows
        elif ".features." not in name:
            out[name] = tensor
    return out


def _state(module: object) -> dict[str, Tensor]:
    return module.state_dict() if isinstance(module, torch.nn.Module) else {}
