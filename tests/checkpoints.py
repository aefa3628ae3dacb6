"""Small checkpoints with random weights, in both layouts; real in everything but what they know."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from models.checkpoint import Checkpoint, open_checkpoint
from models.errors import CheckpointError
from models.manifest import seal
from models.weights import save_quantised

torch.set_num_threads(1)  # these are tiny: threads would only get into each other's way

BIO = ("O", "B-PROBLEM", "I-PROBLEM", "B-DRUG", "I-DRUG")
BILOU = ("O", *(f"{prefix}-{name}" for name in ("PROBLEM", "DRUG") for prefix in "BILU"))
WORDS = (
    "no",
    "pain",
    "chest",
    "denies",
    "takes",
    "aspirin",
    "fever",
    "the",
    "patient",
    "has",
    "left",
    "##s",
    "##ing",
)
TEXT = (
    "The patient denies chest pains, takes aspirin (81 mg) and has no fever. Left-sided cough since 3 days."
)


def vocabulary(cased: bool = False) -> list[str]:
    letters = string.ascii_letters if cased else string.ascii_lowercase
    single = [*letters, *string.digits, *string.punctuation, "é", "ß", "日", "😀", "م"]
    words = [*WORDS, *(word.capitalize() for word in WORDS[:10])] if cased else [*WORDS]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *single, *(f"##{c}" for c in single)]
    return list(dict.fromkeys(pieces))


def config(vocab: int, **changes: Any) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "vocab_size": vocab,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 96,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    }
    return shape | changes


def bert_tensors(shape: dict[str, Any], labels: int, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under Hugging Face's names; large enough to give many different labels."""
    generator = torch.Generator().manual_seed(seed)

    def random(*size: int, std: float = 0.15) -> Tensor:
        return torch.randn(*size, generator=generator) * std

    width, inner = shape["hidden_size"], shape["intermediate_size"]
    tensors: dict[str, Tensor] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = random(outputs, inputs), random(outputs)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = 1 + random(width), random(width)

    tensors["bert.embeddings.word_embeddings.weight"] = random(shape["vocab_size"], width)
    tensors["bert.embeddings.position_embeddings.weight"] = random(shape["max_position_embeddings"], width)
    tensors["bert.embeddings.token_type_embeddings.weight"] = random(shape["type_vocab_size"], width)
    norm("bert.embeddings.LayerNorm")
    for number in range(shape["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", width, width)
        linear(f"{layer}.attention.output.dense", width, width)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, width)
        linear(f"{layer}.output.dense", width, inner)
        norm(f"{layer}.output.LayerNorm")
    linear("bert.pooler.dense", width, width)
    linear("classifier", labels, width)
    return tensors


def huggingface_folder(
    folder: Path,
    architecture: str = "BertForTokenClassification",
    labels: Sequence[str] = BIO,
    *,
    cased: bool = False,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """A folder as `save_pretrained` writes it, vocab.txt and all; `changes` go into config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = vocabulary(cased)
    shape = config(len(pieces), architectures=[architecture], **changes)
    shape["id2label"] = {str(number): label for number, label in enumerate(labels)}
    shape["label2id"] = {label: number for number, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(shape))
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": not cased, "tokenizer_class": "BertTokenizer", "model_max_length": 96})
    )
    save_file(bert_tensors(shape, len(labels), seed), folder / "model.safetensors", {"format": "pt"})
    return folder


def streamer_folder(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Our own layout, sealed, with a linear head of BIO labels; `changes` go into the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    source = open_checkpoint(huggingface_folder(folder / "source", seed=seed))
    from models.weights import load

    encoder, heads = load(source)
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    (spans,) = heads.spans
    tensors |= {f"heads.tokens.{name}": t for name, t in spans.state_dict().items()}  # type: ignore[attr-defined]
    save_quantised(tensors, folder / "weights.safetensors")
    source.tokenizer.save(str(folder / "tokenizer.json"))
    for path in (folder / "source").iterdir():
        path.unlink()
    (folder / "source").rmdir()
    manifest: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "encoder": {name: getattr(source.encoder, name) for name in source.encoder.__dataclass_fields__},
        "window": 34,
        "overlap": 8,
        "heads": [dict(head) for head in source.heads],
    }
    seal(folder, manifest | changes)
    return folder


def tiny(folder: Path, **changes: Any) -> Checkpoint:
    """A checkpoint of our own layout, opened."""
    return open_checkpoint(streamer_folder(folder, **changes))


def refusal(folder: Path) -> str:
    """What is said of a folder that cannot be opened: one line."""
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message
