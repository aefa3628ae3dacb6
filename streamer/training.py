"""`streamer train`: a checkpoint from labelled texts of one's own, or by a recipe from the data sets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from models.corpora.folders import READERS
from models.corpora.own import Own, read_own
from models.corpora.problems import told
from models.training import config, evaluate, own_recipe, recipe
from models.training.examined import Examined, examine
from models.training.own import Trained, train_own
from models.training.own_recipe import OwnRecipe
from models.training.report import interval, percent, report
from streamer.errors import SettingError
from streamer.training_view import shown

RECIPE = evaluate.DEFAULT_CONFIG
BESIDE = frozenset({"base"})
"""What can be given on the command line beside a recipe of data sets."""


def run(
    data: Path, out: Path, given: Path | None, options: Mapping[str, object], *, examples: bool = True
) -> int:
    """Train into the folder `out`; a run that was stopped there goes on. 0 when it is done.

    `given`: a recipe of the data sets (it has `corpora`), or settings for data of one's own; without it, the
    shipped checkpoint's recipe where `data` holds its data sets. `options`: go before it, None apart.
    `examples`: whether the report quotes the data. Raises `SettingError` and `CheckpointError`.
    """
    if not data.exists():
        raise SettingError(f"{data} is neither a file nor a folder; --data names the labelled texts")
    chosen = {name: value for name, value in options.items() if value is not None}
    whole = own_recipe.is_whole_recipe(given) if given else _has_data_sets(data)
    try:
        if not whole:
            settings = own_recipe.read_own_recipe(given) if given else OwnRecipe()
            return _own(data, out, settings.changed(**chosen), examples=examples)
        if odd := sorted(chosen.keys() - BESIDE):
            named = ", ".join("--" + name.replace("_", "-") for name in odd)
            raise SettingError(f"{named}: not beside a recipe of data sets; {given or RECIPE} says it itself")
        return _by_recipe(data, out, given or RECIPE, base=options.get("base"))
    except KeyboardInterrupt:
        print("stopped; the same command goes on from where it was saved last", file=sys.stderr)
        return 1


def _has_data_sets(data: Path) -> bool:
    return any((data / folder).is_dir() for folder, _ in READERS.values())


def _by_recipe(data: Path, out: Path, path: Path, base: object) -> int:
    chosen = config.read_config(path)
    with shown("training") as view:
        chosen_base = None if base is None else str(base)
        folder = recipe.run(chosen, view.hear, on_stage=view.begin, data=data, output=out, base=chosen_base)
    print(f"trained: {folder}, its held-out figures in {folder / 'manifest.json'}")
    print(f"as tables: streamer evaluate --data {data} --checkpoint {folder}")
    return 0


def _own(data: Path, out: Path, settings: OwnRecipe, *, examples: bool) -> int:
    own = read_own(data, labels=settings.labels or None, columns=settings.columns)
    for problem in told(own.problems):
        print(problem, file=sys.stderr)
    print(learnable(own), file=sys.stderr)
    with shown("training") as view:
        done = train_own(own, out, settings, view.hear)
    if view.last is not None and view.last.step < view.last.steps:
        print(f"stopped after step {view.last.step:,}: nothing got better any more", file=sys.stderr)
    found = examine(done.folder, done.dev)
    page = report(out, done, found, told(own.problems), examples=examples)
    print(f"trained: {done.folder}, from {done.learned:,} texts")
    print(f"on {_texts(done)} that it did not learn from: {_measured(found) or 'nothing to count'}")
    print(f"its report, to open in a browser: {page}")
    print(f"try it: streamer annotate --checkpoint {done.folder} NOTE.txt")
    return 0


def _measured(found: Examined) -> str:
    """Per cent, with its interval, of every table."""
    return ", ".join(f"{own.task} {percent(own)} ({interval(own.micro.figure)})" for own in found.tables)


def _texts(done: Trained) -> str:
    return f"{len(done.dev):,} texts" if len(done.dev) != 1 else "one text"


def learnable(own: Own) -> str:
    """What there is to learn, in one line: names of tasks and how many labels each has."""
    labels = own.labels
    tasks = [f"{len(labels.entities)} kinds of spans"] if labels.entities else []
    tasks += [f"{len(labels.relations)} relations"] if labels.relations else []
    tasks += [f"assertion ({', '.join(labels.assertion)})"] if labels.assertion else []
    tasks += [f"{name}: {len(task.labels)} labels" for name, task in labels.classes.items()]
    parts = f"{len(own.train):,} texts"
    if own.split_given:
        parts = f"{len(own.train):,} texts to learn from, {len(own.dev):,} dev, {len(own.test):,} test"
    return f"{own.format}: {parts}; {'; '.join(tasks)}"
