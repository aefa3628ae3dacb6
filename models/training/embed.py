"""An embedding head for a trained checkpoint: its trunk's means, turned to where a sentence encoder is.

The best linear turn is known at once (least squares with a little ridge): the trunk stays as it is. Method: a
student of a teacher's vectors, as in Reimers and Gurevych 2020, that learns nothing but a last layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.checkpoint import Checkpoint, open_checkpoint
from models.forward import Forward
from models.manifest import MANIFEST
from models.reader import Reader
from models.training.export import rewrite
from models.training.model import pool
from models.weights import load_encoder

NAME = "embedding"
RIDGE = 1e-2
TOGETHER = 32

Float = NDArray[np.float32]


def embed(folder: Path, teacher: Checkpoint, texts: Sequence[str]) -> float:
    """Add a head "embedding" to the checkpoint in `folder`; gives the mean cosine to the teacher's vectors on
    every tenth text, which it was not fitted to. `teacher`: a BERT whose vectors are its tokens' means."""
    checkpoint = open_checkpoint(folder)
    inputs, wanted = _pooled(checkpoint, texts), _means(teacher, texts)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True).clip(1e-9)
    kept = np.arange(len(texts)) % 10 > 0
    x = np.column_stack([inputs, np.ones(len(inputs), np.float32)]).astype(np.float64)
    gram = x[kept].T @ x[kept] + RIDGE * np.eye(x.shape[1])
    turn = np.linalg.solve(gram, x[kept].T @ wanted[kept])
    guessed = x[~kept] @ turn
    cosine = (guessed * wanted[~kept]).sum(1) / np.linalg.norm(guessed, axis=1).clip(1e-9)
    _add(folder, torch.from_numpy(turn.astype(np.float32)))
    return float(cosine.mean())


def _pooled(checkpoint: Checkpoint, texts: Sequence[str]) -> Float:
    """[texts, width]: what the head sees; of a long text its first window."""
    forward, reader = Forward(checkpoint, "cpu"), Reader(checkpoint)
    rows = []
    for at in range(0, len(texts), TOGETHER):
        most = checkpoint.window - 2
        tokens = reader.tokenise(texts[at : at + TOGETHER])
        batch = forward([(own.ids[:most], own.features[:most]) for own in tokens])
        sizes = torch.from_numpy(np.diff(batch.ends, prepend=0))
        windows = torch.repeat_interleave(torch.arange(len(tokens)), sizes)
        pooled = pool(batch.hidden.float(), windows, len(tokens))
        rows.append(pooled[:, pooled.shape[1] // 2 :].numpy())
    return np.concatenate(rows)


def _means(teacher: Checkpoint, texts: Sequence[str]) -> NDArray[np.float64]:
    """[texts, width]: the mean of each text's tokens, [CLS] and [SEP] included."""
    encoder, rows = load_encoder(teacher), []
    for at in range(0, len(texts), TOGETHER):
        encodings = teacher.tokenizer.encode_batch(list(texts[at : at + TOGETHER]))
        ids = [own.ids[: teacher.window] for own in encodings]
        lengths = [len(own) for own in ids]
        with torch.inference_mode():
            hidden = encoder(torch.tensor([n for own in ids for n in own]), lengths)
        rows += [part.double().mean(0).numpy() for part in torch.split(hidden, lengths)]
    return np.stack(rows)


def _add(folder: Path, turn: Tensor) -> None:
    """`turn` [inputs + 1, size], the last row the bias."""
    tensors = load_file(folder / "weights.safetensors")
    weight = turn[:-1].T.contiguous()
    scale = (weight.abs().amax(1) / 127).half()
    rows = (weight / scale.where(scale > 0, 1).float()[:, None]).round().clamp(-127, 127)
    tensors |= {
        "heads.embedding.turn.weight": rows.to(torch.int8),
        "heads.embedding.turn.weight.scale": scale,
        "heads.embedding.turn.bias": turn[-1].clone(),
    }
    save_file(tensors, folder / "weights.safetensors")
    (folder / "weights.safetensors").chmod(0o644)
    heads = [h for h in msgspec.json.decode((folder / MANIFEST).read_bytes())["heads"] if h["name"] != NAME]
    rewrite(folder, {"heads": [*heads, {"name": NAME, "kind": "embedding", "size": turn.shape[1]}]})
