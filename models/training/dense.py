"""The trunk as it is trained: over padded windows in groups of one length, in bf16 where that is faster.

The same arithmetic as `models.encoder`, whose modules it calls; on a CPU attention is two
products and a softmax, which go backwards several times faster than its fused form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoder import Encoder, Layer
from models.training.batch import groups_of


def hidden_states(
    encoder: Encoder,
    ids: Tensor,
    features: Tensor,
    lengths: Sequence[int],
    real: Tensor,
    dropout: float = 0.0,
) -> Tensor:
    """[rows, width], padding included, float32. Arguments as in `models.training.batch.Batch`; `dropout`: the
    share of what each sublayer adds that is left out."""
    hidden: Tensor = F.dropout(
        encoder.norm(encoder.embedded(ids, list(lengths), features)), dropout, dropout > 0
    )
    away = torch.zeros(len(ids), device=ids.device).masked_fill(~real, -1e4)
    for layer in encoder.layers:
        assert isinstance(layer, Layer)
        attended = layer.out(_attend(layer, layer.qkv(hidden), lengths, away))
        hidden = layer.attention_norm(hidden + F.dropout(attended, dropout, dropout > 0))
        grown = layer.down(F.gelu(layer.up(hidden)))
        hidden = layer.output_norm(hidden + F.dropout(grown, dropout, dropout > 0))
    return hidden.float()


def _attend(layer: Layer, qkv: Tensor, lengths: Sequence[int], away: Tensor) -> Tensor:
    width = qkv.shape[1] // 3
    size = width // layer.heads
    groups = list(groups_of(lengths))
    rows = [count * length for _, count, length in groups]
    parts = []
    split = zip(groups, torch.split(qkv, rows), torch.split(away, rows), strict=True)
    for (_, count, length), own, own_away in split:
        q, k, v = own.view(count, length, 3, layer.heads, size).permute(2, 0, 3, 1, 4)
        mask = own_away.view(count, 1, 1, length).to(q.dtype)
        if q.is_cuda:
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.expand(-1, -1, length, -1))
        else:
            attended = (q @ k.transpose(2, 3) / math.sqrt(size) + mask).softmax(3).to(v.dtype) @ v
        parts.append(attended.transpose(1, 2).reshape(count * length, width))
    return torch.cat(parts)


def products_in(dtype: torch.dtype, device: str) -> AbstractContextManager[object]:
    """Products in this type; everything else stays in float32."""
    return torch.autocast(device, dtype) if dtype != torch.float32 else nullcontext()
