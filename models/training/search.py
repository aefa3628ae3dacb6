"""Search for the settings that a user's own data are learned best with.

Method: tree-structured Parzen estimators (Bergstra et al. 2011) as Optuna has them, the defaults tried first;
a run that lies below the median of the others at the same look ends early (Optuna's median rule). What is
looked at is the mean figure on the texts that are not learned from, so that the best of many is a little
lucky there: measure it on texts that had no part in it.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import optuna
from optuna.trial import FrozenTrial, TrialState

from models.corpora.own import Own
from models.errors import CheckpointError
from models.training.own import Trained, digest_of, train_own
from models.training.own_recipe import OwnRecipe
from models.training.progress import Progress
from models.training.train import STATE

STUDY, TABLE, BEST, CHECKPOINT = "study.db", "trials.tsv", "best.toml", "checkpoint"
RUNS = "trials"
"""Folder of the runs; of each only what tells of it is kept, and the best one's checkpoint."""
DIGEST = "digest"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
FIRST_RANDOM, FIRST_LOOKS = 5, 4
"""Trials, and looks of a trial, before the median rule counts."""
BATCHES = (512, 1024, 2048, 4096)
MOST_EPOCHS, LEAST_EPOCHS = 24, 3


@dataclass(frozen=True)
class Trial:
    """`figure`: on what is not learned from, 0…1; None: it failed. `pruned`: it ended early, as others were
    better by then."""

    number: int
    figure: float | None
    pruned: bool
    settings: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Searched:
    """`trials`: in their order. `best`: the settings of the best; `folder`: of its checkpoint."""

    trials: tuple[Trial, ...]
    best: OwnRecipe
    figure: float
    folder: Path


class _Quiet:
    """Optuna tells of trials by itself; here the caller does."""

    def __enter__(self) -> None:
        self._before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)

    def __exit__(self, *_: object) -> None:
        optuna.logging.set_verbosity(self._before)


def search(
    own: Own,
    folder: Path,
    recipe: OwnRecipe,
    trials: int,
    seconds: float | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> Searched:
    """Train up to so many times, each from `recipe` with other rates, batches, masking and lengths; a search
    that was stopped in `folder` goes on. `seconds`: no trial but the first starts later, and the last one
    ends then.

    `folder / "best.toml"` has the best settings, for `streamer train --config`; `checkpoint` is what they
    gave; `trials.tsv` lists all, `study.db` is Optuna's. Raises `CheckpointError`, also where another search
    lies in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _Quiet():
        study = _study(folder, own, recipe)
        runs = _Runs(own, folder, recipe, study, seconds, on_progress)

        def tell(_: optuna.Study, trial: FrozenTrial) -> None:
            runs.keep(trial)
            on_trial(_told(trial))

        if not _complete(study):
            study.optimize(runs, n_trials=1, callbacks=[tell])
        left = trials - sum(trial.state in ENDED for trial in study.trials)
        if left > 0:
            study.optimize(runs, n_trials=left, timeout=runs.left(), callbacks=[tell])
        best = study.best_trial
    chosen = recipe.changed(**best.params)
    (folder / BEST).write_text(chosen.as_toml(), encoding="utf-8")
    told = tuple(_told(trial) for trial in study.trials if trial.state.is_finished())
    _write_table(folder / TABLE, told)
    return Searched(told, chosen, float(best.values[0]), folder / CHECKPOINT)


def suggested(trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    """Settings by their names in `OwnRecipe`."""
    return {
        "encoder_rate": trial.suggest_float("encoder_rate", 2e-5, 1e-3, log=True),
        "head_rate": trial.suggest_float("head_rate", 2e-4, 1e-2, log=True),
        "batch_tokens": trial.suggest_categorical("batch_tokens", BATCHES),
        "masked": trial.suggest_float("masked", 0.0, 0.2),
        "epochs": trial.suggest_int("epochs", LEAST_EPOCHS, MOST_EPOCHS),
    }


def _study(folder: Path, own: Own, recipe: OwnRecipe) -> optuna.Study:
    """In SQLite in the folder; trials that were cut off are failed ones."""
    storage = f"sqlite:///{(folder / STUDY).resolve()}"
    study = optuna.create_study(
        storage=storage, study_name="search", direction="maximize", load_if_exists=True
    )
    digest = hashlib.sha256(msgspec.json.encode(msgspec.to_builtins(recipe)) + digest_of(own)).hexdigest()
    if study.user_attrs.get(DIGEST, digest) != digest:
        raise CheckpointError(f"{folder} holds a search on other texts or settings; name another with --out")
    if DIGEST not in study.user_attrs:
        study.set_user_attr(DIGEST, digest)
        study.enqueue_trial(_usual(recipe))
    for trial in study.trials:
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
    seed = recipe.seed + len(study.trials)  # a search that goes on does not draw what it drew before
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST_RANDOM)
    study.pruner = optuna.pruners.MedianPruner(FIRST_RANDOM, FIRST_LOOKS)
    return study


def _usual(recipe: OwnRecipe) -> dict[str, Any]:
    """What the recipe has, as far as it lies where is searched."""
    near = min(BATCHES, key=lambda size: abs(size - recipe.batch_tokens))
    return {
        "encoder_rate": min(max(recipe.encoder_rate, 2e-5), 1e-3),
        "head_rate": min(max(recipe.head_rate, 2e-4), 1e-2),
        "batch_tokens": near,
        "masked": min(recipe.masked, 0.2),
        "epochs": round(min(max(recipe.epochs, LEAST_EPOCHS), MOST_EPOCHS)),
    }


class _Runs:
    """Trains once for each trial that Optuna asks for."""

    def __init__(
        self,
        own: Own,
        folder: Path,
        recipe: OwnRecipe,
        study: optuna.Study,
        seconds: float | None,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._own, self._folder, self._recipe, self._study = own, folder, recipe, study
        self._ends = None if seconds is None else time.monotonic() + seconds
        self._on_progress = on_progress

    def __call__(self, trial: optuna.Trial) -> float:
        looks = 0

        def hear(step: Progress) -> None:
            nonlocal looks
            self._on_progress(replace(step, stage=f"trial {trial.number}"))
            if self.left() == 0.0 and _complete(self._study):
                raise optuna.TrialPruned
            if step.dev:
                looks += 1
                trial.report(sum(step.dev.values()) / len(step.dev), looks)
                if trial.should_prune():
                    raise optuna.TrialPruned

        place = self._run(trial.number)
        try:
            return _figure(train_own(self._own, place, self._recipe.changed(**suggested(trial)), hear))
        finally:
            for path in place.glob(f"{Path(STATE).stem}.*"):
                path.unlink()  # hundreds of megabytes a trial, of use only while it runs

    def keep(self, trial: FrozenTrial) -> None:
        """The checkpoint, if it is the best so far; no other."""
        own = self._run(trial.number) / "checkpoint"
        if trial.state == TrialState.COMPLETE and self._study.best_trial.number == trial.number:
            shutil.rmtree(self._folder / CHECKPOINT, ignore_errors=True)
            shutil.move(own, self._folder / CHECKPOINT)
        shutil.rmtree(own, ignore_errors=True)

    def _run(self, number: int) -> Path:
        return self._folder / RUNS / str(number)

    def left(self) -> float | None:
        """Seconds, at least none."""
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())


def _complete(study: optuna.Study) -> bool:
    return any(trial.state == TrialState.COMPLETE for trial in study.trials)


def _figure(done: Trained) -> float:
    return sum(done.figures.values()) / max(1, len(done.figures))


def _told(trial: FrozenTrial) -> Trial:
    reported = trial.intermediate_values
    figure = trial.values[0] if trial.values else reported[max(reported)] if reported else None
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return Trial(trial.number, figure, trial.state == TrialState.PRUNED, dict(trial.params), seconds)


def _write_table(path: Path, trials: tuple[Trial, ...]) -> None:
    names = sorted({name for trial in trials for name in trial.settings})
    rows = ["\t".join(["trial", "figure", "ended early", "seconds", *names])]
    for one in trials:
        figure = "" if one.figure is None else f"{one.figure:.4f}"
        settings = (f"{one.settings[name]:g}" if name in one.settings else "" for name in names)
        rows.append(
            "\t".join([str(one.number), figure, str(int(one.pruned)), f"{one.seconds:.0f}", *settings])
        )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
