"""What a checkpoint loses of F1 by how it is stored and in how it computes, written into its manifest.

`auto` looks at it before it takes a less exact precision; `streamer evaluate` repeats it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from models import calibration
from models.acceptance import NEEDS_ACCEPTANCE, UNMEASURED
from models.checkpoint import ENTITIES, open_checkpoint
from models.errors import CheckpointError
from models.evaluation import run as evaluation
from models.evaluation.report import Report, Score, total
from models.evaluation.selection import Held
from models.precision import Precision
from models.training import evaluate
from models.training.config import TrainConfig, read_config
from models.training.export import record, rewrite

WEIGHTS = "weights.safetensors"


def run(folder: Path, data: Path, config: TrainConfig | Path = evaluate.DEFAULT_CONFIG) -> dict[str, Any]:
    """Measure every precision that runs here on the held-out documents, and record it as `precisions`.

    Nothing is measured where no entity of these documents is labelled.
    """
    exact = _measured(folder, data, config, "fp32")
    if not _pooled(exact).gold:
        return {}
    measured: dict[str, Any] = {
        precision: _loss(exact, _measured(folder, data, config, precision))
        for precision in NEEDS_ACCEPTANCE
        if _runs_here(folder, precision)
    }
    if measured:
        record(folder, precisions=measured)
    return measured


def storage(
    folder: Path,
    exact: Mapping[str, Tensor],
    data: Path,
    config: TrainConfig | Path = evaluate.DEFAULT_CONFIG,
) -> dict[str, Any]:
    """Measure what int8 matrices in the file cost, both computed in fp32, and record it as `storage`.

    `exact`: what was trained, under the names of the stored tensors (a model's `state_dict`). Nothing is
    measured where no entity of the held-out documents is labelled.
    """
    with TemporaryDirectory() as place:
        whole = Path(shutil.copytree(folder, Path(place) / folder.name))
        _restore(whole, exact)
        before = _measured(whole, data, config, "fp32")
    if not _pooled(before).gold:
        return {}
    measured = _loss(before, _measured(folder, data, config, "fp32"))
    record(folder, storage=measured)
    return measured


def _restore(folder: Path, exact: Mapping[str, Tensor]) -> None:
    """Puts the exact matrices in the place of those that are stored as int8."""
    stored = load_file(folder / WEIGHTS)
    coarse = [name.removesuffix(".scale") for name in stored if name.endswith(".scale")]
    for name in coarse:
        if name in exact:  # what was added after training is as it is
            del stored[f"{name}.scale"]
            stored[name] = exact[name].detach().cpu().float().contiguous()
    save_file(stored, folder / WEIGHTS)
    rewrite(folder, {})


def _measured(folder: Path, data: Path, config: TrainConfig | Path, precision: Precision) -> Report:
    """Entities alone, of the recipe's held-out documents, without intervals."""
    recipe = read_config(config) if isinstance(config, Path) else config
    heads = open_checkpoint(folder).heads
    spans = [head for head in heads if "categories" in head]
    return evaluation.run(
        folder,
        data,
        corpora=list(recipe.corpora),
        held=Held(recipe.held_out.seed, recipe.held_out.share),
        heads=[head["name"] for head in spans if head.get("layer", ENTITIES) == ENTITIES],
        precision=precision,
        resamples=0,
    )


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
