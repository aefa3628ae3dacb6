"""`streamer search`: the settings that one's own data are learned best with, shown to a person."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from models.corpora.own import read_own
from models.corpora.problems import told
from models.training.own_recipe import OwnRecipe, read_own_recipe
from streamer.errors import SettingError
from streamer.training_view import clock, shown

if TYPE_CHECKING:
    from models.training.search import Trial

BEST_SHOWN = 10


def run(
    data: Path,
    out: Path,
    trials: int,
    minutes: float | None = None,
    given: Path | None = None,
    options: Mapping[str, object] | None = None,
) -> int:
    """Try settings on the data in so many runs; a search that was stopped in `out` goes on. 0 when it is
    done. Raises `SettingError`, `CheckpointError`."""
    try:
        from models.training.search import BEST, TABLE, search
    except ModuleNotFoundError as error:
        raise SettingError(f"{error.name} is not installed: pip install 'streamer[train]'") from None
    chosen = {name: value for name, value in (options or {}).items() if value is not None}
    settings = (read_own_recipe(given) if given else OwnRecipe()).changed(**chosen)
    own = read_own(data, labels=settings.labels or None, columns=settings.columns)
    for problem in told(own.problems):
        print(problem, file=sys.stderr)
    console = Console(stderr=True, soft_wrap=True, highlight=False)

    def tell(trial: Trial) -> None:
        console.print(line(trial), markup=False)

    try:
        with shown("search", console) as view:
            seconds = None if minutes is None else 60 * minutes
            found = search(own, out, settings, trials, seconds, view.hear, tell)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the next trial", file=sys.stderr)
        return 1
    Console().print(table(found.trials))
    print(f"best: {100 * found.figure:.1f}, its settings in {out / BEST}, all trials in {out / TABLE}")
    print(f"its checkpoint: {found.folder}")
    print(f"train with it: streamer train --data DATA --config {out / BEST}")
    return 0


def line(trial: Trial) -> str:
    """One trial that is over."""
    figure = "no figure" if trial.figure is None else f"{100 * trial.figure:.1f}"
    early = ", ended early" if trial.pruned else ""
    return f"trial {trial.number}: {figure}{early} after {clock(trial.seconds)}  {_settings(trial)}"


def table(trials: Sequence[Trial]) -> Table:
    """The best of the trials first."""
    shown = Table(
        title=f"The best of {len(trials)} trials", box=SIMPLE_HEAD, show_edge=False, title_justify="left"
    )
    for name in ("trial", "per cent", "time"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("settings", overflow="fold")
    whole = sorted(
        (one for one in trials if one.figure is not None and not one.pruned),
        key=lambda one: -(one.figure or 0.0),
    )
    for one in whole[:BEST_SHOWN]:
        shown.add_row(str(one.number), f"{100 * (one.figure or 0.0):.1f}", clock(one.seconds), _settings(one))
    return shown


def _settings(trial: Trial) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in trial.settings.items())
