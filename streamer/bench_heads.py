"""`streamer bench heads`: what each head costs beside the trunk, as a table or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, Progress, TimeRemainingColumn
from rich.table import Table

from models.forward import choose_device
from streamer import accepting, checkpoints, samples, settings

NOTES = 60
"""Bundled notes that are read."""


def run(checkpoint: str | None, precision: str | None, rounds: int, *, as_json: bool = False) -> int:
    """Measure and print; progress goes to standard error. 0: it was measured."""
    chosen = settings.load(checkpoint=checkpoint, precision=precision)
    opened = checkpoints.opened(chosen)
    exact = accepting.prepared(chosen, opened)
    from models.bench.heads import costs  # imports torch, before which the machine is prepared

    texts = [str(note["text"]) for note in samples.load()[:NOTES]]
    with Progress("measuring", BarColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = costs(opened, texts, choose_device(chosen.device), exact, rounds, show)
    if as_json:
        print(json.dumps({"precision": exact, "heads": [asdict(own) for own in found]}))
        return 0
    table = Table(
        "with", "ms a batch", "× the trunk", title=f"{opened.name}, {exact}: heads, one more a line"
    )
    for own in found:
        table.add_row(("+ " if own.heads else "") + own.name, f"{own.milliseconds:.1f}", f"{own.ratio:.2f}")
    Console().print(table)
    return 0
