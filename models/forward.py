"""One batch of windows through the trunk and every head's projection, on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.blocks import FEW_ROWS, Together, in_blocks
from models.checkpoint import Checkpoint
from models.encoder import Encoder, sent
from models.errors import EngineError
from models.heads.rows import sums
from models.precision import Precision
from models.requests import Passage
from models.weights import load


class Projected(NamedTuple):
    """A batch, packed: windows one after another, each with its [CLS] and [SEP]. Tensors are on the device.

    `ids` [tokens] and `ends` [windows], where each window's [SEP] ends, are on the CPU.
    """

    ids: NDArray[np.int32]
    ends: NDArray[np.int64]
    hidden: Tensor
    """[tokens, width], as the trunk gave it."""
    spans: list[Tensor]
    """[tokens, k] of each spans head, float32."""
    classes: list[Tensor]
    """[windows, k] of each classes head, float32."""


class Forward:
    """A checkpoint on a device. Safe to call from several threads at once."""

    def __init__(self, checkpoint: Checkpoint, device: str, precision: Precision = "fp32") -> None:
        self.precision = precision
        self.device = torch.device(device)
        encoder, self.heads = load(checkpoint, self.device)
        self._encoder = _trunk(encoder, self.device, precision)
        heads = self.heads
        linears = [_linear(cast(nn.Module, head)) for head in heads.spans]
        self._spans: Callable[[Tensor], list[Tensor]] = Together(linears) if linears else lambda _: []
        for head in (*heads.spans, heads.assertion, heads.relations):
            if head is not None:
                in_blocks(cast(nn.Module, head))
        for own in heads.classes:
            in_blocks(cast(nn.Module, own), FEW_ROWS)
        self._cls, self._sep = checkpoint.cls_id, checkpoint.sep_id

    @torch.inference_mode()
    def __call__(self, windows: Sequence[Passage]) -> Projected:
        """Ids and features of each window, without [CLS] and [SEP]."""
        lengths = [len(ids) + 2 for ids, _ in windows]
        ends = np.cumsum(lengths, dtype=np.int64)
        first, last = ends - lengths, ends - 1
        inner = np.ones(ends[-1], np.bool_)
        inner[first] = inner[last] = False
        ids, features = np.empty(len(inner), np.int32), np.zeros(len(inner), np.uint8)
        ids[first], ids[last] = self._cls, self._sep
        ids[inner] = np.concatenate([ids for ids, _ in windows])
        features[inner] = np.concatenate([features for _, features in windows])
        pieces = self._put(ids)
        hidden = self._encoder(pieces, lengths, self._put(features))
        classes = self._classes(hidden, pieces, first, lengths)
        return Projected(ids, ends, hidden, self._spans(hidden.float()), classes)

    def _classes(
        self, hidden: Tensor, pieces: Tensor, first: NDArray[np.int64], lengths: list[int]
    ) -> list[Tensor]:
        heads = self.heads.classes
        if not heads:
            return []
        firsts = hidden[self._put(first)].float()
        both = firsts
        sizes = self._put(np.array(lengths))
        if any(head.pooled for head in heads):
            both = torch.cat([firsts, sums(hidden.float(), sizes) / sizes[:, None]], 1)
        return [
            projected if head.bag is None else projected + head.bag(pieces, sizes)
            for head in heads
            for projected in [head.project(both if head.pooled else firsts)]
        ]

    def own_stream(self) -> AbstractContextManager[object]:
        """For a thread's life: its batches wait for no other thread's."""
        if self.device.type != "cuda":
            return nullcontext()
        torch.cuda.synchronize(self.device)  # the weights are there
        return torch.cuda.stream(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]

    def _put(self, array: NDArray[np.generic]) -> Tensor:
        return sent(torch.from_numpy(array), self.device)


def _linear(head: nn.Module) -> nn.Linear:
    """Of a spans head: all that its `project` is."""
    (linear,) = (own for own in head.modules() if isinstance(own, nn.Linear))
    return linear


def _trunk(encoder: Encoder, device: torch.device, precision: Precision) -> Callable[..., Tensor]:
    if device.type == "cuda" and precision != "fp32":
        from models.cuda import CudaTrunk

        return CudaTrunk(encoder, precision)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        if precision != "fp32":
            raise EngineError(f"{precision} needs a torch with oneDNN; set STREAMER_PRECISION=fp32")
        return in_blocks(encoder)
    from models.trunk import Trunk  # its compiler takes a second to import

    return Trunk(encoder, precision)


def choose_device(device: str) -> str:
    """ "auto" → "cuda" where there is one, else "cpu"; anything else as it is."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
