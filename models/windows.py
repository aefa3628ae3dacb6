"""A passage's tokens → the windows that the encoder sees.

Pure. `cut` counts tokens of the passage itself: the [CLS] and [SEP] around a window are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `start:stop` of a passage, of which this window answers for `own_start:own_stop`."""

    start: int
    stop: int
    own_start: int
    own_stop: int


def cut(tokens: int, limit: int, overlap: int) -> list[Window]:
    """Windows of at most `limit` tokens that cover a passage of `tokens` tokens.

    Neighbours share at least `overlap` tokens. Every token is owned by exactly one window: the one in which
    it lies most centrally, so with the most context on its poorer side. No tokens: no window.
    """
    if not 0 <= overlap < limit:
        raise ValueError(f"overlap {overlap} does not fit windows of {limit} tokens")
    if tokens <= limit:
        return [Window(0, tokens, 0, tokens)] if tokens else []
    gaps = -(-(tokens - limit) // (limit - overlap))
    starts = [i * (tokens - limit) // gaps for i in range(gaps + 1)]
    borders = [0, *((a + limit + b + 1) // 2 for a, b in pairwise(starts)), tokens]
    return [
        Window(start, start + limit, own_start, own_stop)
        for start, own_start, own_stop in zip(starts, borders, borders[1:], strict=False)
    ]
