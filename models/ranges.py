"""Many ranges as one array of indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ranges(starts: NDArray[np.integer[Any]], lengths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """starts[0], starts[0] + 1, … (lengths[0] of them), then the same from starts[1], …"""
    ends = np.cumsum(lengths, dtype=np.int64)
    if not len(ends):
        return np.zeros(0, np.int64)
    indices: NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)
    return indices
