"""`streamer train` and `streamer evaluate`: `models.training`, shown to a person."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.precision import Precision
from models.training import config, evaluate, recipe
from models.training.progress import Progress as Step
from models.training.scores import Report
from streamer.errors import SettingError

RECIPE = evaluate.DEFAULT_CONFIG


def run(given: Path | None, data: Path, base: str | None, out: Path) -> int:
    """Train by a recipe into the folder `out`; a run that was stopped there goes on. 0 when it is done."""
    _require_folder(data)
    chosen = config.read_config(given or RECIPE)
    with _bar("training", "loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} tokens/s") as bar:
        task = bar.add_task("", total=chosen.steps, loss=0.0, speed=0.0)

        def show(step: Step) -> None:
            bar.update(task, completed=step.step, loss=step.loss, speed=step.tokens_per_second)

        folder = recipe.run(chosen, show, data=data, output=out, base=base)
    print(f"trained: {folder}, its held-out figures in {folder / 'manifest.json'}")
    print(f"as tables: streamer evaluate --data {data} --checkpoint {folder}")
    return 0


def measure(
    checkpoint: str, data: Path, device: str = "auto", precision: Precision = "fp32", *, as_json: bool
) -> int:
    """Print a checkpoint's figures on the held-out parts of the data sets."""
    _require_folder(data)
    with _bar("reading", "documents") as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = evaluate.run(checkpoint, data, device=device, precision=precision, on_progress=show)
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        Console().print(tables(report))
    return 0


def tables(report: Report) -> Group:
    """One table per corpus and task."""
    shown = []
    for part in report.tables:
        table = Table(title=f"{part.corpus}: {part.task}", caption=f"{part.documents} documents; {part.what}")
        table.add_column("label")
        for column in ("precision", "recall", "F1", "gold", "found"):
            table.add_column(column, justify="right")
        for score in (*part.scores, part.micro) if len(part.scores) > 1 else part.scores:
            figures = (f"{100 * value:.1f}" for value in (score.precision, score.recall, score.f1))
            table.add_row(score.label, *figures, str(score.gold), str(score.found))
        shown.append(table)
    who = f"{report.name} {report.version} ({report.fingerprint})"
    return Group(f"{who} in {report.precision}, {report.part} documents", *shown)


def _bar(what: str, fields: str) -> Progress:
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(fields),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _require_folder(data: Path) -> None:
    if not data.is_dir():
        raise SettingError(f"{data} is not a folder; --data names the folder that holds the data sets")
