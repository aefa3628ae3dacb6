"""Files of weights → an encoder and its heads, ready to read with.

Our own `weights.safetensors`: large matrices as int8 with one fp16 scale a row (`<name>.scale`), the rest as
fp32. Hugging Face's names become ours through one table of renames. A pickle is only ever read by torch's
restricted unpickler, which takes tensors and nothing else.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from models.checkpoint import Checkpoint
from models.encoder import Encoder
from models.errors import CheckpointError
from models.heads import AssertionHead, ClassesHead, RelationsHead, SpansHead

QUANTISED_FROM = 1 << 15
"""Matrices of fewer numbers stay fp32: they weigh little and heads are sensitive."""

KINDS = (
    "entities", "assertion", "relations", "text_classes", "embedding", "token_classes", "sequence_classes"
)  # fmt: skip
"""Kinds of heads: each a module in `models/heads/`."""

RENAMES = [
    (r"^(?:bert\.)?embeddings\.word_embeddings\.", "encoder.words."),
    (r"^(?:bert\.)?embeddings\.position_embeddings\.", "encoder.positions."),
    (r"^(?:bert\.)?embeddings\.token_type_embeddings\.", "encoder.types."),
    (r"^(?:bert\.)?embeddings\.LayerNorm\.", "encoder.norm."),
    (r"^(?:bert\.)?encoder\.layer\.(\d+)\.attention\.self\.", r"encoder.layers.\1."),
    (r"^(?:bert\.)?encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"encoder.layers.\1.out."),
    (
        r"^(?:bert\.)?encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.",
        r"encoder.layers.\1.attention_norm.",
    ),
    (r"^(?:bert\.)?encoder\.layer\.(\d+)\.intermediate\.dense\.", r"encoder.layers.\1.up."),
    (r"^(?:bert\.)?encoder\.layer\.(\d+)\.output\.dense\.", r"encoder.layers.\1.down."),
    (r"^(?:bert\.)?encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"encoder.layers.\1.output_norm."),
    (r"^(?:bert\.)?pooler\.dense\.", "heads.HEAD.pooler."),
    (r"^classifier\.", "heads.HEAD.classifier."),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
]  # fmt: skip


class Heads(NamedTuple):
    """The heads of a checkpoint by kind, as modules on the device."""

    spans: tuple[SpansHead, ...]
    assertion: AssertionHead | None
    relations: RelationsHead | None
    classes: tuple[ClassesHead, ...]


def load_encoder(checkpoint: Checkpoint, device: str | torch.device = "cpu") -> Encoder:
    """The trunk alone, e.g. as a base to train from. fp32, without gradients until asked."""
    return _encoder(checkpoint, _tensors(checkpoint), device)


def load(checkpoint: Checkpoint, device: str | torch.device = "cpu") -> tuple[Encoder, Heads]:
    """Trunk and heads, read once. Raises `CheckpointError` for what is missing or of the wrong shape."""
    tensors = _tensors(checkpoint)
    return _encoder(checkpoint, tensors, device), _heads(checkpoint, tensors, device)


def save_quantised(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write our own layout. Names: `encoder.<parameter>`, `heads.<name>.<parameter>`.

    Method: symmetric int8 a row, round to nearest, the scale rounded to fp16 before use.
    """
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().float().contiguous()
        if tensor.ndim != 2 or tensor.numel() < QUANTISED_FROM:
            out[name] = tensor.clone()
            continue
        scale = (tensor.abs().amax(1) / 127).half()
        rows = tensor / scale.where(scale > 0, 1).float()[:, None]
        out[name] = rows.round().clamp(-127, 127).to(torch.int8)
        out[f"{name}.scale"] = scale
    save_file(out, path)


class _Unfilled(TorchFunctionMode):
    """Modules are built without their random weights, for which torch would import its compilers here."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def _encoder(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], device: str | torch.device) -> Encoder:
    with torch.device("meta"), _Unfilled():
        encoder = Encoder(checkpoint.encoder)
    _fill(encoder, "encoder.", tensors, checkpoint)
    return encoder.to(device).eval().requires_grad_(False)


def _heads(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], device: str | torch.device) -> Heads:
    built: dict[str, list[Any]] = {"spans": [], "assertion": [], "relations": [], "classes": []}
    for settings in checkpoint.heads:
        if settings["kind"] not in KINDS:
            raise CheckpointError(f"{checkpoint.folder}: head kind {settings['kind']!r} is unknown; update")
        head = import_module(f"models.heads.{settings['kind']}").HEAD.build(
            checkpoint.encoder.hidden_size, settings
        )
        _fill(head, f"heads.{settings['name']}.", tensors, checkpoint)
        built[head.reads].append(head.to(device).eval().requires_grad_(False))
    if len(built["assertion"]) > 1 or len(built["relations"]) > 1:
        raise CheckpointError(f"{checkpoint.folder}: more than one head for assertion or for relations")
    return Heads(
        tuple(built["spans"]),
        next(iter(built["assertion"]), None),
        next(iter(built["relations"]), None),
        tuple(built["classes"]),
    )


def _fill(module: nn.Module, prefix: str, tensors: Mapping[str, Tensor], checkpoint: Checkpoint) -> None:
    wanted = module.state_dict()
    for name, parameter in wanted.items():
        tensor = tensors.get(prefix + name)
        if tensor is None:
            raise CheckpointError(f"{checkpoint.folder}: the weights lack {prefix}{name}")
        if tensor.shape != parameter.shape:
            raise CheckpointError(
                f"{checkpoint.folder}: {prefix}{name} has shape {tuple(tensor.shape)}, "
                f"expected {tuple(parameter.shape)}"
            )
    module.load_state_dict({name: tensors[prefix + name].clone() for name in wanted}, assign=True)


def _tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """All weights under our names, fp32."""
    raw: dict[str, Tensor] = {}
    for path in checkpoint.weights:
        raw |= read_file(path)
    if checkpoint.layout == "huggingface":
        return _renamed(raw, head=checkpoint.heads[0]["name"] if checkpoint.heads else "none")
    return {
        name: _dequantised(tensor, raw.get(f"{name}.scale"))
        for name, tensor in raw.items()
        if not name.endswith(".scale")
    }


def _dequantised(tensor: Tensor, scale: Tensor | None) -> Tensor:
    return tensor.float() if scale is None else tensor.float() * scale.float()[:, None]


def read_file(path: Path) -> dict[str, Tensor]:
    """Tensors of a file by their names. Raises `CheckpointError`."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: what cannot be read is refused
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} holds more than tensors and was not loaded, as a pickle can run code; "
            "convert it to safetensors"
        ) from None
    except Exception as error:  # of a damaged pickle torch raises whatever it stumbles over
        raise CheckpointError(
            f"{path} is damaged or truncated ({type(error).__name__}); fetch it again"
        ) from None
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path} is no table of tensors")
    return {str(name): tensor for name, tensor in loaded.items() if isinstance(tensor, Tensor)}


def _renamed(raw: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """Hugging Face's names → ours; query, key and value of a layer become one matrix."""
    out: dict[str, Tensor] = {}
    for name, tensor in raw.items():
        for pattern, replacement in RENAMES:
            name = re.sub(pattern, replacement.replace("HEAD", head), name)
        out[name] = tensor.float()
    for name in [name for name in out if ".query." in name]:
        parts = [out.pop(name.replace("query", part), None) for part in ("query", "key", "value")]
        if all(part is not None for part in parts):
            out[name.replace("query", "qkv")] = torch.cat([part for part in parts if part is not None])
    return out
