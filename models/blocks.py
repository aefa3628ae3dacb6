"""Linear layers that give a token the same bits whatever else is in its batch.

A GEMM library picks its kernel, and with it the order of its sums, by the number of rows. Here it always sees
the same number: rows go through in blocks of a fixed size, the last one filled up with zeros. Costs a few per
cent of the linear layers' time on a CPU; oneDNN's packed weights gain about 10 % over `F.linear`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CPU_ROWS, FEW_ROWS = 128, 16
"""Of tokens or pairs, of which a batch has many; of windows, of which it has few."""
CUDA_ROWS = 2048

Module = TypeVar("Module", bound=nn.Module)


class BlockLinear(nn.Module):
    """Stands in for a trained `nn.Linear`, for reading only; fp32 on the CPU goes through oneDNN."""

    def __init__(self, linear: nn.Linear, rows: int = CPU_ROWS) -> None:
        super().__init__()
        weight, bias = linear.weight.detach(), linear.bias.detach()
        self._outputs = linear.out_features
        self._rows = rows if weight.device.type == "cpu" else CUDA_ROWS
        self._block = _onednn(weight, bias, rows) or (lambda rows: F.linear(rows, weight, bias))

    def forward(self, hidden: Tensor) -> Tensor:
        """`hidden` [rows, inputs] → [rows, outputs]."""
        count = len(hidden)
        out = hidden.new_empty(count, self._outputs)
        for start in range(0, count, self._rows):
            rows = hidden[start : start + self._rows]
            if len(rows) == self._rows:
                out[start : start + self._rows] = self._block(rows)
            else:
                filled = F.pad(rows, (0, 0, 0, self._rows - len(rows)))
                out[start:] = self._block(filled)[: len(rows)]
        return out


class Together(nn.Module):
    """Several layers over the same rows as one: a call costs what a narrow layer does."""

    def __init__(self, linears: Sequence[nn.Linear]) -> None:
        super().__init__()
        self._sizes = [linear.out_features for linear in linears]
        first = linears[0]
        both = nn.Linear(first.in_features, sum(self._sizes), device="meta")
        both.weight = nn.Parameter(torch.cat([linear.weight.detach() for linear in linears]))
        both.bias = nn.Parameter(torch.cat([linear.bias.detach() for linear in linears]))
        self._linear = BlockLinear(both)

    def forward(self, hidden: Tensor) -> list[Tensor]:
        """`hidden` [rows, inputs] → [rows, outputs] of each layer."""
        return [own.contiguous() for own in self._linear(hidden).split(self._sizes, 1)]


def in_blocks(module: Module, rows: int = CPU_ROWS) -> Module:
    """Replace every `nn.Linear` within `module`, in place; `rows` of a block on a CPU."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, BlockLinear(child, rows))
        else:
            in_blocks(child, rows)
    return module


def in_8_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 [outputs, inputs] and the scale of every output channel, fp32 [outputs]; symmetric."""
    weight = weight.detach().float()
    scales = (weight.abs().amax(1) / 127).clamp_min(1e-12)
    return (weight / scales[:, None]).round().to(torch.int8), scales


def _onednn(weight: Tensor, bias: Tensor, rows: int) -> Callable[[Tensor], Tensor] | None:
    if (
        weight.device.type != "cpu"
        or weight.dtype != torch.float32
        or not torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    ):
        return None
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)

    def block(hidden: Tensor) -> Tensor:
        result: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, packed, bias, "none", [], "")
        return result

    return block
