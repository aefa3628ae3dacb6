"""The trunk in 8 or 16 bits on a CPU: oneDNN's matrix products, and one compiled pass between each two.

8 bits: weights with one scale an output channel, activations with one scale a token, both symmetric but for
GELU's output, which is never far below zero (after Yao et al., ZeroQuant, 2022). The hidden state stays fp32,
attention is bf16. A token's bits do not depend on what else is in its batch: integer sums have no order, bf16
products see blocks of a fixed number of rows, attention sees one window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import kernels
from models.encoder import Encoder, positions
from models.errors import CheckpointError
from models.precision import Precision

ROWS = 256
"""Tokens that go through a layer's products at once: what stays in the cache of a core."""

Array = NDArray[Any]


class Norm(NamedTuple):
    gain: Array
    shift: Array


class Int8Linear:
    """uint8 [rows, inputs] → fp32 [rows, outputs], without the bias: `bias` is for the pass that follows."""

    def __init__(self, linear: nn.Linear, counted_from: float | None = None) -> None:
        """`counted_from`: what the input's 0 stands for; without it 0 is at `kernels.ZERO_POINT`."""
        weight = linear.weight.detach().float()
        self._scales = (weight.abs().amax(1) / 127).clamp_min(1e-12)
        whole = (weight / self._scales[:, None]).round().to(torch.int8)
        bias = linear.bias.detach().float()
        if counted_from is not None:
            bias = bias + counted_from * whole.sum(1, dtype=torch.int32) * self._scales
        self.bias: Array = bias.numpy()
        self._zero = kernels.ZERO_POINT if counted_from is None else 0
        self._zeros = torch.zeros(len(whole), dtype=torch.int64)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, [ROWS, weight.shape[1]])

    def __call__(self, rows: Tensor) -> Array:
        product = torch.ops.onednn.qlinear_pointwise(
            rows, 1.0, self._zero, self._packed, self._scales, self._zeros, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        result: Array = product.numpy()
        return result


class BFloat16Linear:
    """bf16 [rows, inputs] → bf16 [rows, outputs] as uint16, without the bias. `rows` is always `ROWS`."""

    def __init__(self, linear: nn.Linear, counted_from: float | None = None) -> None:
        self.bias: Array = linear.bias.detach().float().numpy()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().bfloat16(), ROWS)

    def __call__(self, rows: Tensor) -> Array:
        product = torch.ops.mkldnn._linear_pointwise(rows, self._packed, None, "none", [], "")
        result: Array = product.view(torch.uint16).numpy()
        return result


class Layer:
    """One transformer block's weights, ready for reading."""

    def __init__(self, layer: Any, precision: Precision) -> None:
        if not all(parameter.isfinite().all() for parameter in layer.parameters()):
            raise CheckpointError("a weight of the trunk is not finite: read with --precision fp32")
        kind = Int8Linear if precision == "int8" else BFloat16Linear
        self.qkv, self.out, self.up = kind(layer.qkv), kind(layer.out), kind(layer.up)
        self.down = kind(layer.down, counted_from=-kernels.GELU_FLOOR)
        self.attention_norm, self.output_norm = _norm(layer.attention_norm), _norm(layer.output_norm)


class Trunk:
    """Reads with an encoder's weights in "int8" or "bf16". Thread-safe; called as the `Encoder` is."""

    def __init__(self, encoder: Encoder, precision: Precision) -> None:
        config = encoder.config
        self.tables = encoder
        self.norm = _norm(encoder.norm)
        self._layers = [Layer(layer, precision) for layer in encoder.layers]
        self.dtype = torch.uint8 if precision == "int8" else torch.bfloat16
        self.heads, self.width = config.num_attention_heads, config.hidden_size
        self.inner = config.intermediate_size
        self.epsilon = np.float32(config.layer_norm_eps)
        self.factor = np.float32(math.log2(math.e) / math.sqrt(self.width // self.heads))

    def __call__(self, ids: Tensor, lengths: list[int], features: Tensor | None = None) -> Tensor:
        """Hidden states fp32 [tokens, width] of a packed batch; arguments as `Encoder.forward` takes them."""
        batch = _Batch(self, lengths)
        batch.embed(ids, features)
        for layer in self._layers:
            batch.attend(layer)
            batch.think(layer)
        return torch.from_numpy(batch.hidden[: len(ids)])


class _Batch:
    """The numbers of one batch on their way through the layers."""

    def __init__(self, trunk: Trunk, lengths: list[int]) -> None:
        self._trunk = trunk
        self._lengths = lengths
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self._tokens = tokens = int(self._starts[-1])
        width, heads, dtype = trunk.width, trunk.heads, trunk.dtype
        filled = -(-tokens // ROWS) * ROWS
        self.hidden: Array = np.empty((0, width), np.float32)
        self._input = _Rows(filled, width, dtype)
        self._activated = _Rows(ROWS, trunk.inner, dtype)
        self._parts = [torch.empty(tokens * width, dtype=torch.bfloat16) for _ in range(4)]
        self._inverse_sums = np.empty(tokens * heads, np.float32)
        self._scratch = np.empty(width, np.float32)

    def embed(self, ids: Tensor, features: Tensor | None) -> None:
        trunk, tables = self._trunk, self._trunk.tables
        hidden = tables.positions(positions(self._lengths, ids.device)) + tables.types.weight[0]
        if tables.features is not None and features is not None:
            hidden += tables.features(features.int())
        self.hidden = hidden.numpy()
        ones, none = np.ones(self._tokens, np.float32), np.zeros(trunk.width, np.float32)
        words = tables.words(ids).numpy()
        kernels.norm(
            self.hidden, words, ones, none, *trunk.norm, trunk.epsilon, self._input.array, self._input.scales
        )

    def attend(self, layer: Layer) -> None:
        """Every token asks the tokens of its window; the answers become the next product's input."""
        trunk, rows = self._trunk, self._input
        parts = [part.view(torch.uint16).numpy() for part in self._parts]
        for block in self._blocks():
            product = layer.qkv(rows.tensor[block])
            kernels.split(
                product[: self._tokens - block.start], block.start, rows.scales[block], layer.qkv.bias,
                self._starts, trunk.heads, trunk.factor, *parts[:3],
            )  # fmt: skip
        for start, length in zip(self._starts.tolist(), self._lengths, strict=False):
            self._attend_window(start, length)
        kernels.merge(
            parts[3], self._inverse_sums, self._starts, trunk.heads, rows.array, rows.scales, self._scratch
        )

    def _attend_window(self, start: int, length: int) -> None:
        width, heads = self._trunk.width, self._trunk.heads
        own = slice(start * width, (start + length) * width)
        query, key, value, attended = (part[own].view(heads, length, -1) for part in self._parts)
        scores = torch.bmm(query, key.transpose(1, 2))
        sums = self._inverse_sums[start * heads : (start + length) * heads]
        kernels.softmax(scores.view(torch.uint16).numpy().reshape(-1, length), sums)
        torch.bmm(scores, value, out=attended)

    def think(self, layer: Layer) -> None:
        """The rest of a layer, block by block: what a block needs stays in the cache."""
        rows, activated, epsilon = self._input, self._activated, self._trunk.epsilon
        for block in self._blocks():
            hidden = self.hidden[block]
            count = len(hidden)
            own, scales = rows.array[block][:count], rows.scales[block][:count]
            product = layer.out(rows.tensor[block])[:count]
            kernels.norm(hidden, product, scales, layer.out.bias, *layer.attention_norm, epsilon, own, scales)
            product = layer.up(rows.tensor[block])[:count]
            kernels.gelu(product, scales, layer.up.bias, activated.array, activated.scales)
            product = layer.down(activated.tensor)[:count]
            kernels.norm(
                hidden, product, activated.scales, layer.down.bias, *layer.output_norm, epsilon, own, scales
            )

    def _blocks(self) -> Iterator[slice]:
        return (slice(start, start + ROWS) for start in range(0, self._tokens, ROWS))


class _Rows:
    """The next product's input: uint8 with a scale a row, or bf16 with scales of one."""

    def __init__(self, count: int, width: int, dtype: torch.dtype) -> None:
        self.tensor = torch.zeros(count, width, dtype=dtype)
        self.array: Array = (self.tensor if dtype == torch.uint8 else self.tensor.view(torch.uint16)).numpy()
        self.scales = np.ones(count, np.float32)


def _norm(norm: nn.LayerNorm) -> Norm:
    return Norm(norm.weight.detach().float().numpy(), norm.bias.detach().float().numpy())


def sums_exactly() -> bool:
    """Whether this CPU's 8-bit products are exact: without VNNI, oneDNN may saturate sums of two."""
    layer = nn.Linear(64, 16)
    nn.init.constant_(layer.weight, 1.0)
    nn.init.zeros_(layer.bias)
    product = Int8Linear(layer, counted_from=0.0)(torch.full((ROWS, 64), 255, dtype=torch.uint8))
    return bool(np.allclose(product, 64 * 255, rtol=1e-6))
