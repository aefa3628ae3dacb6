"""One batch of windows through the trunk and every head's projection, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.blocks import in_blocks
from models.checkpoint import Checkpoint
from models.precision import Precision
from models.requests import Passage, Rows
from models.weights import load


class Forward:
    """A checkpoint on a device. Safe to call from several threads at once."""

    def __init__(self, checkpoint: Checkpoint, device: str, precision: Precision = "fp32") -> None:
        self.precision = precision
        self.device = torch.device(device)
        encoder, self.heads = load(checkpoint, self.device)
        self._encoder = in_blocks(encoder)
        self._token_heads = [head for head in (self.heads.spans, self.heads.assertion) if head is not None]
        for head in (*self._token_heads, *self.heads.classes):
            in_blocks(cast(nn.Module, head), keep=True)
        self._specials = np.array([checkpoint.cls_id], np.int32), np.array([checkpoint.sep_id], np.int32)
        self._no_features = np.zeros(1, np.uint8)

    def __call__(self, windows: Sequence[Passage]) -> list[Rows]:
        """Ids and features of each window, without [CLS] and [SEP] → its rows, likewise without.

        Float32 on the CPU.
        """
        cls, sep = self._specials
        none = self._no_features
        lengths = [len(ids) + 2 for ids, _ in windows]
        ids = np.concatenate([part for own, _ in windows for part in (cls, own, sep)])
        features = np.concatenate([part for _, own in windows for part in (none, own, none)])
        ends = np.cumsum(lengths)
        starts = ends - lengths
        inner = np.ones(len(ids), np.bool_)
        inner[starts] = inner[ends - 1] = False
        with torch.inference_mode():
            hidden = self._encoder(self._put(ids), lengths, self._put(features))
            tokens = [_take(head.project(hidden))[inner] for head in self._token_heads]
            firsts = hidden[self._put(starts)] if self.heads.classes else hidden
            whole = [_take(head.project(firsts)) for head in self.heads.classes]
        stops = np.cumsum([len(ids) for ids, _ in windows]).tolist()
        return [
            Rows([rows[stop - len(own) : stop] for rows in tokens], [rows[i : i + 1] for rows in whole])
            for i, ((own, _), stop) in enumerate(zip(windows, stops, strict=True))
        ]

    def _put(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def choose_device(device: str) -> str:
    """ "auto" → "cuda" where there is one, else "cpu"; anything else as it is."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _take(rows: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = rows.float().cpu().numpy()
    return array
