"""What a checkpoint loses of F1 in each less exact precision, written into its manifest for `auto` to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models import calibration
from models.acceptance import NEEDS_ACCEPTANCE, UNMEASURED
from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.evaluation.report import Report, Score, total
from models.precision import Precision
from models.training import evaluate
from models.training.config import TrainConfig
from models.training.export import record


def run(folder: Path, data: Path, config: TrainConfig | Path = evaluate.DEFAULT_CONFIG) -> dict[str, Any]:
    """Measure on the held-out documents, and record; nothing where none is labelled, or it cannot run."""
    exact = evaluate.run(folder, data, config=config)
    if not _pooled(exact).gold:
        return {}
    corpora = list(_tables(exact))
    measured: dict[str, Any] = {
        precision: _loss(
            exact, evaluate.run(folder, data, corpora=corpora, config=config, precision=precision)
        )
        for precision in NEEDS_ACCEPTANCE
        if _runs_here(folder, precision)
    }
    if measured:
        record(folder, precisions=measured)
    return measured


def _runs_here(folder: Path, precision: Precision) -> bool:
    """Tried in a process of its own first; torch is imported here already, so it has to run as it is."""
    try:
        choice = calibration.choose(open_checkpoint(folder), wanted=precision, limit=UNMEASURED)
    except CheckpointError:
        return False
    return not choice.environment


def _loss(exact: Report, other: Report) -> dict[str, Any]:
    before, after = _pooled(exact), _pooled(other)
    corpora = ", ".join(sorted(_tables(exact)))
    on = f"{before.gold} entities of the documents of {corpora} that were held out; micro F1 of exact spans"
    return {"f1_loss": round(100 * (before.f1 - after.f1), 3), "on": on}


def _pooled(report: Report) -> Score:
    return total("all", _tables(report).values())


def _tables(report: Report) -> dict[str, Score]:
    """Of each corpus whose labels are complete in what they cover, the finest count."""
    return {table.corpus: table.micro for table in report.tables if table.task == "entities"}
