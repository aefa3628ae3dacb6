"""A checkpoint's figures on what its recipe holds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from models.evaluation import run as evaluation
from models.evaluation.report import Report
from models.evaluation.selection import Held, Part
from models.precision import Precision
from models.training.config import TrainConfig, read_config

DEFAULT_CONFIG = Path(__file__).with_name("clinical-mini.toml")


def run(
    checkpoint: str | Path | None,
    data_root: Path,
    parts: Part = "held-out",
    *,
    corpora: Sequence[str] = (),
    config: TrainConfig | Path = DEFAULT_CONFIG,
    device: str = "auto",
    precision: Precision = "fp32",
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """As `models.evaluation.run.run`, on a recipe's held-out share of `corpora`, by default all its own."""
    recipe = read_config(config) if isinstance(config, Path) else config
    return evaluation.run(
        checkpoint,
        data_root,
        parts,
        corpora=corpora or list(recipe.corpora),
        held=Held(recipe.held_out.seed, recipe.held_out.share),
        device=device,
        precision=precision,
        on_progress=on_progress,
    )
