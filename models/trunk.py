"""The trunk on a CPU, in 8, 16 or 32 bits: oneDNN's matrix products, and one compiled pass between each two.

8 bits: weights with one scale an output channel, activations from the least to the largest number of each
token (after Yao et al., ZeroQuant, 2022). The hidden state stays fp32; attention is bf16 where that is
quicker. A token's bits do not depend on what else is in its batch: integer sums have no order, fp32 and bf16
products are tried for that when the trunk is built, attention sees one window.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import kernels
from models.blocks import in_8_bits
from models.encoder import Encoder, positions
from models.errors import CheckpointError
from models.precision import Precision

ROWS, GRAIN, FIXED_ROWS = 512, 16, 64
"""Tokens that go through a layer's products at once, so that what they need stays in the cache of a core; the
last block is filled up to a multiple of `GRAIN`, as oneDNN builds (and keeps) code for each number of rows.
Where it adds in another order for another number: always `FIXED_ROWS`."""
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.uint8}

Array = NDArray[Any]


class Norm(NamedTuple):
    gain: Array
    shift: Array


class Int8Linear:
    """uint8 [rows, inputs] → bf16 as uint16 [rows, outputs], without the bias: the next pass adds it."""

    def __init__(self, linear: nn.Linear, zero: int = 128) -> None:
        """`zero`: about where 0 falls in the input. The nearer, the smaller is what leaves in bf16."""
        whole, self._scales = in_8_bits(linear.weight)
        self.sums: Array = (whole.sum(1, dtype=torch.int32) * self._scales).numpy()
        self.bias: Array = linear.bias.detach().float().numpy()
        self.zero = np.float32(zero)
        self._zeros = torch.zeros(len(whole), dtype=torch.int64)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, [ROWS, linear.in_features])

    def __call__(self, rows: Tensor) -> Array:
        product = torch.ops.onednn.qlinear_pointwise(
            rows, 1.0, int(self.zero), self._packed, self._scales, self._zeros, None,
            1.0, 0, torch.bfloat16, "none", [], "",
        )  # fmt: skip
        return _array(product)

    def activate(self, rows: Tensor, steps: Array) -> tuple[Tensor, Array]:
        """GELU of the whole product, and its steps. `steps` [rows, 2]: those of `rows`."""
        product = self(rows)
        out, own = torch.empty(product.shape, dtype=torch.uint8), np.empty((len(product), 2), np.float32)
        kernels.gelu(product, steps, self.zero, self.sums, self.bias, out.numpy(), own)
        return out, own


class FloatLinear:
    """[rows, inputs] → [rows, outputs], fp32, or bf16 as uint16; without the bias, but for `activate`."""

    def __init__(self, linear: nn.Linear, precision: Precision) -> None:
        weight = linear.weight.detach().to(DTYPES[precision])
        self.bias: Array = linear.bias.detach().float().numpy()
        self.sums = np.zeros_like(self.bias)
        self.zero = np.float32(0)
        self._bias = linear.bias.detach().to(weight.dtype)
        self._inputs = linear.in_features
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

    def __call__(self, rows: Tensor) -> Array:
        return _array(torch.ops.mkldnn._linear_pointwise(rows, self._packed, None, "none", [], ""))

    def activate(self, rows: Tensor, steps: Array) -> tuple[Tensor, Array]:
        """GELU of the whole product; steps of one go in and out."""
        return torch.ops.mkldnn._linear_pointwise(rows, self._packed, self._bias, "gelu", [], "none"), steps

    def keeps_order(self) -> bool:
        """Whether a row has the same bits among any number of rows that it can come with."""
        rows = torch.randn(ROWS, self._inputs, generator=torch.Generator().manual_seed(0)).to(
            self._bias.dtype
        )
        whole = self(rows)
        return all(np.array_equal(self(rows[:count]), whole[:count]) for count in range(GRAIN, ROWS, GRAIN))


class Layer:
    """One transformer block's weights, ready for reading."""

    def __init__(self, layer: Any, before: Norm, precision: Precision) -> None:
        """`before`: the norm whose output the layer takes."""
        if not all(parameter.isfinite().all() for parameter in layer.parameters()):
            raise CheckpointError("a weight of the trunk is not finite: read with --precision fp32")
        self.attention_norm, self.output_norm = _norm(layer.attention_norm), _norm(layer.output_norm)
        parts = (_scaled(layer.qkv, layer.heads), layer.out, layer.up, layer.down)
        self.qkv: Int8Linear | FloatLinear
        self.out: Int8Linear | FloatLinear
        self.up: Int8Linear | FloatLinear
        self.down: Int8Linear | FloatLinear
        if precision == "int8":
            zeros = (_zero(before), 128, _zero(self.attention_norm), 0)
            self.qkv, self.out, self.up, self.down = map(Int8Linear, parts, zeros)
        else:
            self.qkv, self.out, self.up, self.down = (FloatLinear(part, precision) for part in parts)

    def keeps_order(self) -> bool:
        parts = (self.qkv, self.out, self.up, self.down)
        return all(isinstance(part, Int8Linear) or part.keeps_order() for part in parts)


class Trunk:
    """Reads with an encoder's weights. Thread-safe; called as the `Encoder` is."""

    def __init__(self, encoder: Encoder, precision: Precision) -> None:
        config = encoder.config
        self.words, self.positions = encoder.words, encoder.positions
        self.types, self.features = encoder.types, encoder.features
        self.norm = _norm(encoder.norm)
        self._layers: list[Layer] = []
        for layer in encoder.layers:
            before = self._layers[-1].output_norm if self._layers else self.norm
            self._layers.append(Layer(layer, before, precision))
        self.precision = precision
        self.fixed = not self._layers[0].keeps_order()
        self.heads, self.width = config.num_attention_heads, config.hidden_size
        self.attention = DTYPES[precision]
        if precision == "int8":
            self.attention = quicker_attention(self.heads, self.width // self.heads)
        self.epsilon = np.float32(config.layer_norm_eps)

    def __call__(self, ids: Tensor, lengths: list[int], features: Tensor | None = None) -> Tensor:
        """Hidden states fp32 [tokens, width] of a packed batch; arguments as `Encoder.forward` takes them."""
        batch = _Batch(self, lengths)
        batch.embed(ids, features)
        for layer in self._layers:
            batch.attend(layer)
            batch.think(layer)
        return torch.from_numpy(batch.hidden)


class _Batch:
    """The numbers of one batch on their way through the layers."""

    def __init__(self, trunk: Trunk, lengths: list[int]) -> None:
        self._trunk = trunk
        self._lengths = lengths
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        tokens, width = int(self._starts[-1]), trunk.width
        self._block, grain = (FIXED_ROWS, FIXED_ROWS) if trunk.fixed else (ROWS, GRAIN)
        filled = -(-tokens // grain) * grain
        self.hidden: Array = np.empty((0, width), np.float32)
        self._rows = torch.zeros(filled, width, dtype=DTYPES[trunk.precision])
        self._array = _array(self._rows)
        self._steps = np.tile(np.array([1, 0], np.float32), (filled, 1))
        self._parts = [torch.empty(tokens * width, dtype=trunk.attention) for _ in range(4)]
        self._inverse_sums = np.empty(tokens * trunk.heads, np.float32)
        self._scratch = np.empty(width, np.float32)

    def embed(self, ids: Tensor, features: Tensor | None) -> None:
        trunk = self._trunk
        hidden = trunk.positions(positions(self._lengths, ids.device)) + trunk.types.weight[0]
        if trunk.features is not None and features is not None:
            hidden += trunk.features(features.int())
        self.hidden = hidden.numpy()
        words, none = trunk.words(ids).numpy(), np.zeros(trunk.width, np.float32)
        terms = (np.float32(0), none, none)
        kernels.norm(
            self.hidden, words, self._steps, *terms, *trunk.norm, trunk.epsilon, self._array, self._steps
        )

    def attend(self, layer: Layer) -> None:
        """Every token asks the tokens of its window; the answers become the next product's input."""
        trunk = self._trunk
        query, key, value, attended = map(_array, self._parts)
        qkv = np.empty(3 * trunk.width, query.dtype)
        for block in self._blocks():
            product = layer.qkv(self._rows[block])[: len(self.hidden) - block.start]
            kernels.split(
                product, block.start, self._steps[block], *_terms(layer.qkv),
                self._starts, trunk.heads, qkv, query, key, value,
            )  # fmt: skip
        for start, length in zip(self._starts.tolist(), self._lengths, strict=False):
            self._attend_window(start, length)
        kernels.merge(
            attended, self._inverse_sums, self._starts, trunk.heads, self._array, self._steps, self._scratch
        )

    def _attend_window(self, start: int, length: int) -> None:
        width, heads = self._trunk.width, self._trunk.heads
        own = slice(start * width, (start + length) * width)
        query, key, value, attended = (part[own].view(heads, length, -1) for part in self._parts)
        scores = torch.bmm(query, key.transpose(1, 2))
        sums = self._inverse_sums[start * heads : (start + length) * heads]
        kernels.softmax(_array(scores).reshape(-1, length), sums)
        torch.bmm(scores, value, out=attended)

    def think(self, layer: Layer) -> None:
        """The rest of a layer, block by block."""
        epsilon = self._trunk.epsilon
        for block in self._blocks():
            hidden, rows = self.hidden[block], self._rows[block]
            count = len(hidden)
            own, steps = self._array[block][:count], self._steps[block]
            product = layer.out(rows)[:count]
            kernels.norm(
                hidden, product, steps, *_terms(layer.out), *layer.attention_norm, epsilon, own, steps
            )
            activated, inner = layer.up.activate(rows, steps)
            product = layer.down(activated)[:count]
            kernels.norm(hidden, product, inner, *_terms(layer.down), *layer.output_norm, epsilon, own, steps)

    def _blocks(self) -> Iterator[slice]:
        filled = len(self._rows)
        return (slice(start, min(start + self._block, filled)) for start in range(0, filled, self._block))


def _array(tensor: Tensor) -> Array:
    """As NumPy has it; bf16, which it has not, as uint16."""
    array: Array = (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _scaled(qkv: nn.Linear, heads: int) -> nn.Linear:
    """Queries times log2(e) / sqrt(size of a head): scores leave the product ready for powers of two."""
    outputs, width = qkv.weight.shape
    factor = torch.ones(outputs, dtype=torch.float32)
    factor[:width] = math.log2(math.e) / math.sqrt(width // heads)
    scaled = nn.Linear(width, outputs, device="meta")
    scaled.weight = nn.Parameter(qkv.weight.detach().float() * factor[:, None], requires_grad=False)
    scaled.bias = nn.Parameter(qkv.bias.detach().float() * factor, requires_grad=False)
    return scaled


def _terms(linear: Int8Linear | FloatLinear) -> tuple[np.float32, Array, Array]:
    """What the passes need to know of a product."""
    return linear.zero, linear.sums, linear.bias


def _zero(norm: Norm) -> int:
    """About which of 256 steps is 0, of a norm's output that reaches three deviations from its means."""
    least, most = (norm.shift + reach * np.abs(norm.gain) for reach in (-3, 3))
    low, high = min(float(least.min()), 0.0), max(float(most.max()), 0.0)
    return round(255 * -low / (high - low)) if high > low else 128


def _norm(norm: nn.LayerNorm) -> Norm:
    return Norm(norm.weight.detach().float().numpy(), norm.bias.detach().float().numpy())


@cache
def quicker_attention(heads: int, size: int) -> torch.dtype:
    """bf16 where its products run at least a fifth faster than those of fp32: not so without instructions for
    it, nor with slow ones.
    """
    best = dict.fromkeys((torch.float32, torch.bfloat16), math.inf)
    window = torch.randn(heads, 205, size, generator=torch.Generator().manual_seed(0))
    for _ in range(8):
        for dtype in best:
            own = window.to(dtype)
            begun = time.perf_counter()
            torch.bmm(torch.bmm(own, own.transpose(1, 2)), own)
            best[dtype] = min(best[dtype], time.perf_counter() - begun)
    return torch.bfloat16 if best[torch.bfloat16] * 1.2 < best[torch.float32] else torch.float32


def sums_exactly() -> bool:
    """Whether this CPU's 8-bit products are exact: without VNNI, oneDNN may saturate sums of two."""
    layer = nn.Linear(64, 16)
    nn.init.constant_(layer.weight, 1.0)
    nn.init.zeros_(layer.bias)
    product = Int8Linear(layer, zero=0)(torch.full((ROWS, 64), 255, dtype=torch.uint8))
    return bool((product == _array(torch.tensor([64 * 255.0]).bfloat16())).all())
