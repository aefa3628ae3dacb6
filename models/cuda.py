"""The trunk in bf16 or 8 bits on a CUDA device: packed, attention through one kernel for all windows.

Not timed on a card yet: what is faster there is for the calibration to find. 8 bits: weights with one scale
an output channel, activations with one scale a token, both symmetric (after Yao et al., ZeroQuant, 2022);
what lies between the products stays bf16. A token's bits do not depend on what else is in its batch: integer
sums have no order, bf16 products see blocks of a fixed number of rows, attention sees one window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import in_8_bits
from models.encoder import Encoder, sent
from models.precision import Precision

ROWS = 4096
"""Tokens that a product sees at once, the last block filled up: a library picks its kernel, and with it the
order of its sums, by their number. A quarter of an engine's full batch."""
INT8_ROWS = 32
"""`torch._int_mm` takes no fewer than 17, and any multiple of 8 at full speed."""

Attention = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int, int], Any]
"""As `torch.nn.attention.varlen.varlen_attn`: query, key, value [tokens, heads, size]; where windows begin
and end among them int32 [windows + 1], twice; the longest window, twice."""


class BFloat16Linear:
    """bf16 [rows, inputs] → bf16 [rows, outputs]; `rows` is a multiple of `ROWS`."""

    rows = ROWS

    def __init__(self, linear: nn.Linear) -> None:
        self._weight = linear.weight.detach().bfloat16().t()
        self._bias = linear.bias.detach().bfloat16()

    def __call__(self, hidden: Tensor) -> Tensor:
        out = hidden.new_empty(len(hidden), self._weight.shape[1])
        for rows, to in zip(torch.split(hidden, self.rows), torch.split(out, self.rows), strict=True):
            torch.addmm(self._bias, rows, self._weight, out=to)
        return out


class Int8Linear:
    """The same, its product of 8-bit integers; `rows` is a multiple of `INT8_ROWS`."""

    rows = INT8_ROWS

    def __init__(self, linear: nn.Linear) -> None:
        whole, self._scales = in_8_bits(linear.weight)
        self._weight = whole.t()
        self._bias = linear.bias.detach().float()

    def __call__(self, hidden: Tensor) -> Tensor:
        scales = (hidden.abs().amax(1, keepdim=True).float() / 127).clamp_min(1e-12)
        whole = (hidden / scales).round().to(torch.int8)
        product = torch._int_mm(whole, self._weight)
        return torch.addcmul(self._bias, product * scales, self._scales).bfloat16()


Linear = BFloat16Linear | Int8Linear
KINDS: dict[Precision, type[BFloat16Linear] | type[Int8Linear]] = {
    "bf16": BFloat16Linear,
    "int8": Int8Linear,
}


class CudaTrunk:
    """Reads with an encoder's weights in "bf16" or "int8", where they are. Called as the `Encoder` is."""

    def __init__(self, encoder: Encoder, precision: Precision, attention: Attention | None = None) -> None:
        """`attention`: None for torch's own, which needs a CUDA device."""
        kind = KINDS[precision]
        self._rows = kind.rows
        self._tables = encoder
        self._norm = _Norm(encoder.norm)
        self._layers = [_Layer(layer, kind) for layer in encoder.layers]
        self._attention = attention or _varlen_attention()

    def __call__(self, ids: Tensor, lengths: list[int], features: Tensor | None = None) -> Tensor:
        """Hidden states fp32 [tokens, width] of a packed batch; arguments as `Encoder.forward` takes them."""
        tokens = len(ids)
        filled = F.pad(self._tables.embedded(ids, lengths, features), (0, 0, 0, -tokens % self._rows))
        ends = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        bounds = sent(ends, ids.device)

        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            result: Tensor = self._attention(query, key, value, bounds, bounds, max(lengths), max(lengths))
            return result

        state = self._norm(filled.bfloat16())
        for layer in self._layers:
            state = layer(state, tokens, attend)
        return state[:tokens].float()


class _Layer:
    def __init__(self, layer: Any, kind: type[BFloat16Linear] | type[Int8Linear]) -> None:
        self._heads = layer.heads
        self._qkv, self._out = kind(layer.qkv), kind(layer.out)
        self._up, self._down = kind(layer.up), kind(layer.down)
        self._attention_norm, self._output_norm = _Norm(layer.attention_norm), _Norm(layer.output_norm)

    def __call__(self, hidden: Tensor, tokens: int, attend: Callable[..., Tensor]) -> Tensor:
        """`hidden` bf16 [rows, width], of which the first `tokens` are some → the same."""
        split = self._qkv(hidden).view(len(hidden), 3, self._heads, -1)[:tokens]
        attended = attend(*split.unbind(1)).reshape(tokens, -1)
        filled = F.pad(attended, (0, 0, 0, len(hidden) - tokens))
        hidden = self._attention_norm(hidden + self._out(filled))
        return self._output_norm(hidden + self._down(F.gelu(self._up(hidden))))


class _Norm:
    def __init__(self, norm: nn.LayerNorm) -> None:
        self._weight, self._bias = norm.weight.detach().bfloat16(), norm.bias.detach().bfloat16()
        self._shape, self._epsilon = norm.normalized_shape, norm.eps

    def __call__(self, hidden: Tensor) -> Tensor:
        return F.layer_norm(hidden, self._shape, self._weight, self._bias, self._epsilon)


def _varlen_attention() -> Attention:
    from torch.nn.attention.varlen import varlen_attn  # torch says so itself where it is missing

    attention: Attention = varlen_attn
    return attention
