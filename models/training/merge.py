"""Several checkpoints of one shape → one: the weighted mean of their weights.

Method: model soups (Wortsman et al. 2022): checkpoints that were trained from one base, with other seeds,
rates or data, lie in one valley of the loss, and their mean is often better than each; of checkpoints from
different bases it is not. Our own layout is read from its 8 bits, averaged and written in 8 bits again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.checkpoint import Checkpoint, open_checkpoint
from models.errors import CheckpointError
from models.huggingface import SMALL, read_json
from models.manifest import MANIFEST, seal, sha256_of
from models.weights import save_quantised

FITTED = ("thresholds", "calibration", "least")
"""Of a head's entry: fitted after training. The mean of thresholds is a fair guess; that of curves is not,
nor that of what is asked of confidences on them."""
KEPT = ("license", "encoder", "lowercase", "window", "overlap")
MERGED = "merged.json"
"""Beside the weights of Hugging Face's layout, which has no other place for it."""
SCALE = ".scale"


def merge(
    checkpoints: Sequence[str | Path],
    out: Path,
    weights: Sequence[float] | None = None,
    name: str | None = None,
) -> Path:
    """Write the mean of checkpoints of one layout, trunk shape, vocabulary and label scheme to the new folder
    `out`. `weights`: how much each counts, in any unit; none: all the same.

    The manifest lists the parents with their fingerprints; figures are those of none of them and are left
    out, so measure anew. Raises `CheckpointError` for what cannot be merged, and says which and why.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} is there already; name a new folder")
    opened = [open_checkpoint(path) for path in checkpoints]
    shares = shares_of(weights, len(opened))
    require_alike(opened, trunks=True)
    first = opened[0]
    tensors = _mean(opened, shares)
    parents = [_parent(own, share) for own, share in zip(opened, shares, strict=True)]
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if first.layout == "streamer":
        _write_ours(part, opened, tensors, name, shares, parents)
    else:
        _write_huggingface(part, first, tensors, parents)
    for path in part.iterdir():
        path.chmod(0o644)
    shutil.rmtree(out, ignore_errors=True)
    os.replace(part, out)
    return out


def shares_of(weights: Sequence[float] | None, count: int) -> list[float]:
    """How much each of so many counts, together 1. Raises `CheckpointError` for weights that do not fit."""
    if count < 2:
        raise CheckpointError("there is nothing to merge: name two checkpoints or more")
    given = [1.0] * count if weights is None else list(weights)
    if len(given) != count:
        raise CheckpointError(f"{len(given)} weights do not fit {count} checkpoints; give each its own")
    if not all(0 <= weight < float("inf") for weight in given) or not sum(given):
        raise CheckpointError("weights have to be 0 or more, and not all of them 0")
    return [weight / sum(given) for weight in given]


def require_alike(opened: Sequence[Checkpoint], *, trunks: bool) -> None:
    """Raises `CheckpointError` where two of them do not have one vocabulary, one label scheme and one
    dictionary; `trunks`: nor one layout and one shape of trunk."""
    first = opened[0]
    asked = [what for what in _PROPERTIES if trunks or what not in OF_TRUNKS]
    for other in opened[1:]:
        for what in asked:
            if _PROPERTIES[what](first) != _PROPERTIES[what](other):
                both = f"{first.folder} and {other.folder}"
                raise CheckpointError(f"{both} have different {what}; only alike ones go together")


def _scheme(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """What the heads are, without what was fitted to them."""
    return [{k: v for k, v in head.items() if k not in FITTED} for head in checkpoint.heads]


def _words(checkpoint: Checkpoint) -> tuple[dict[str, int], list[int]]:
    """Pieces by number, and whether capitals and accents count."""
    return checkpoint.tokenizer.get_vocab(), checkpoint.tokenizer.encode("Aé", add_special_tokens=False).ids


def _architecture(checkpoint: Checkpoint) -> object:
    if checkpoint.layout != "huggingface":
        return None
    return read_json(checkpoint.folder / "config.json").get("architectures")


_PROPERTIES: Mapping[str, Callable[[Checkpoint], object]] = {
    "layouts": lambda own: own.layout,
    "trunk shapes": lambda own: own.encoder,
    "architectures": _architecture,
    "vocabularies": _words,
    "label schemes": _scheme,
    "dictionaries": lambda own: sha256_of(own.dictionary) if own.dictionary else "",
}
"""What has to be the same, as it is called in an error."""
OF_TRUNKS = ("layouts", "trunk shapes", "architectures")


def _mean(opened: Sequence[Checkpoint], shares: Sequence[float]) -> dict[str, Tensor]:
    """Name by name, in double precision; numbers of places stay as they are."""
    total: dict[str, Tensor] = {}
    types: dict[str, torch.dtype] = {}
    for own, share in zip(opened, shares, strict=True):
        tensors = _stored(own)
        if total and tensors.keys() != total.keys():
            odd = sorted(tensors.keys() ^ total.keys())[0]
            raise CheckpointError(
                f"{own.folder}: {odd} is not in all of the checkpoints; they differ in kind"
            )
        for name, tensor in tensors.items():
            if name in total and total[name].shape != tensor.shape:
                raise CheckpointError(
                    f"{own.folder}: {name} has another shape than that of {opened[0].folder}"
                )
            if not tensor.is_floating_point():
                total.setdefault(name, tensor)
                continue
            types.setdefault(name, tensor.dtype)
            added = share * tensor.double()
            total[name] = total[name] + added if name in total else added
    return {name: tensor.to(types.get(name, tensor.dtype)).contiguous() for name, tensor in total.items()}


def _stored(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """As the files name them; 8-bit rows as the numbers that they stand for."""
    raw: dict[str, Tensor] = {}
    for path in checkpoint.weights:
        if path.suffix != ".safetensors":
            raise CheckpointError(f"{path} is no safetensors file; write it anew with save_pretrained")
        raw |= load_file(path)
    if checkpoint.layout == "huggingface":
        return raw
    scaled = {name.removesuffix(SCALE): tensor for name, tensor in raw.items() if name.endswith(SCALE)}
    return {
        name: tensor.float() * scaled[name].float()[:, None] if name in scaled else tensor
        for name, tensor in raw.items()
        if not name.endswith(SCALE)
    }


def _parent(own: Checkpoint, share: float) -> dict[str, Any]:
    named = {"name": own.name, "version": own.version, "fingerprint": own.fingerprint}
    return {**named, "sha256": own.weights_sha, "weight": round(share, 6)}


# --- writing ---------------------------------------------------------------------------------------


def _write_ours(
    part: Path,
    opened: Sequence[Checkpoint],
    tensors: Mapping[str, Tensor],
    name: str | None,
    shares: Sequence[float],
    parents: Sequence[Mapping[str, Any]],
) -> None:
    first = opened[0]
    save_quantised(tensors, part / "weights.safetensors")
    for path in (first.folder / "tokenizer.json", first.dictionary):
        if path is not None:
            shutil.copy(path, part)
    manifests = [msgspec.json.decode((own.folder / MANIFEST).read_bytes()) for own in opened]
    versions = " + ".join(dict.fromkeys(own.version for own in opened))
    merged: dict[str, Any] = {"name": name or first.name, "version": f"merged {versions}"}
    merged |= {key: manifests[0][key] for key in KEPT if key in manifests[0]}
    merged |= {"heads": joint_heads(opened, shares), "sources": _sources(manifests)}
    held = [own.get("training", {}).get("held_out") for own in manifests]
    if held[0] is not None and all(own == held[0] for own in held):
        merged["training"] = {"held_out": held[0]}
    seal(part, {**merged, "merged": list(parents)})


def joint_heads(opened: Sequence[Checkpoint], shares: Sequence[float]) -> list[dict[str, Any]]:
    """What alike checkpoints say of their heads, with the mean of their thresholds where all have them."""
    heads = _scheme(opened[0])
    for place, head in enumerate(heads):
        each = [own.heads[place].get("thresholds") for own in opened]
        if all(isinstance(own, list | tuple) for own in each):
            columns = zip(*each, strict=True)
            head["thresholds"] = [sum(s * t for s, t in zip(shares, c, strict=True)) for c in columns]
        elif "thresholds" in opened[0].heads[place]:
            head["thresholds"] = opened[0].heads[place]["thresholds"]
    return heads


def _sources(manifests: Sequence[Mapping[str, Any]]) -> list[Any]:
    found = [source for own in manifests for source in own.get("sources", ())]
    return [source for place, source in enumerate(found) if source not in found[:place]]


def _write_huggingface(
    part: Path, first: Checkpoint, tensors: Mapping[str, Tensor], parents: Sequence[Mapping[str, Any]]
) -> None:
    save_file(dict(tensors), part / "model.safetensors", {"format": "pt"})
    for name in SMALL:
        if (first.folder / name).is_file():
            shutil.copy(first.folder / name, part)
    told = msgspec.json.format(msgspec.json.encode({"merged": list(parents)}), indent=1)
    (part / MERGED).write_bytes(told + b"\n")
