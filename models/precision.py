"""In which numbers the trunk computes, from the most exact to the least."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["fp32", "bf16", "int8"]
Wanted = Literal["auto", "fp32", "bf16", "int8"]
"""`auto`: the fastest on the device at hand among those that are exact enough."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ACCEPTED_LOSS = 0.1
"""Points of F1 (0 … 100) that an 8-bit trunk may lose before it is refused, unless one asks for more."""
