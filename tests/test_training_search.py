"""A search over settings: the defaults first, the best kept, goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from models.checkpoint import open_checkpoint
from models.corpora.own import Own, read_own
from models.errors import CheckpointError
from models.training.own_recipe import OwnRecipe, read_own_recipe
from models.training.progress import Progress
from models.training.search import BEST, RUNS, TABLE, Searched, Trial, search
from streamer import searching
from streamer.cli import app
from tests.checkpoints import huggingface_folder
from tests.own_data import as_csv
from tests.power_cut import Cut

FEWEST_STEPS = 8
pytestmark = pytest.mark.usefixtures("few_steps")

ROWS = [(f"{'aspirin' if n % 2 else 'fever'} {n}", "drug" if n % 2 else "sign") for n in range(24)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("search")
    huggingface_folder(place / "base", "BertModel")
    as_csv(place / "kinds.csv", [("text", "label"), *ROWS])
    return place


@pytest.fixture(scope="module")
def own(place: Path) -> Own:
    return read_own(place / "kinds.csv")


@pytest.fixture(scope="module")
def recipe(place: Path) -> OwnRecipe:
    return OwnRecipe(base=str(place / "base"), threads=1, mixed=False, window=40, encoder_rate=5e-4)


@pytest.fixture(scope="module")
def found(place: Path, own: Own, recipe: OwnRecipe) -> tuple[Searched, list[Trial]]:
    told: list[Trial] = []
    return search(own, place / "run", recipe, 3, on_trial=told.append), told


def test_the_settings_at_hand_are_tried_first(found: tuple[Searched, list[Trial]], recipe: OwnRecipe) -> None:
    done, told = found
    assert done.trials == tuple(told)
    assert [own.number for own in told] == [0, 1, 2]
    assert told[0].settings["encoder_rate"] == pytest.approx(recipe.encoder_rate)
    assert told[0].settings["batch_tokens"] == recipe.batch_tokens
    assert len({own.settings["head_rate"] for own in told}) == 3


def test_the_best_is_kept_and_nothing_else(place: Path, found: tuple[Searched, list[Trial]]) -> None:
    done, told = found
    figures = [own.figure for own in told if own.figure is not None and not own.pruned]
    assert done.figure == max(figures)
    best = told[figures.index(done.figure)]
    assert read_own_recipe(place / "run" / BEST) == done.best
    assert done.best.encoder_rate == best.settings["encoder_rate"]
    assert open_checkpoint(done.folder).heads[0]["labels"] == ["drug", "sign"]
    left = {path.name for path in (place / "run" / RUNS).rglob("*") if path.is_file()}
    assert left == {"run.json", "history.jsonl"}
    lines = (place / "run" / TABLE).read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("trial\tfigure\tended early\tseconds\tbatch_tokens\tencoder_rate")


def test_a_search_goes_on_where_it_was_cut_off(place: Path, own: Own, recipe: OwnRecipe) -> None:
    def cut(step: Progress) -> None:
        if step.stage == "trial 1":
            raise Cut

    with pytest.raises(Cut):
        search(own, place / "cut", recipe, 2, on_progress=cut)
    done = search(own, place / "cut", recipe, 2)
    assert [(own.number, own.figure is not None) for own in done.trials] == [(0, True), (1, False), (2, True)]
    again: list[Progress] = []
    assert search(own, place / "cut", recipe, 2, on_progress=again.append).figure == done.figure
    assert not again


def test_another_search_in_the_folder_is_refused(
    place: Path, own: Own, recipe: OwnRecipe, found: tuple[Searched, list[Trial]]
) -> None:
    with pytest.raises(CheckpointError, match="holds a search on other texts or settings"):
        search(own, place / "run", recipe.changed(seed=9), 4)


def test_time_that_is_up_ends_a_search_that_has_a_figure(place: Path, own: Own, recipe: OwnRecipe) -> None:
    done = search(own, place / "short", recipe, 50, seconds=0.0)
    assert len(done.trials) == 1


def test_trials_that_lie_below_the_others_end_early(
    place: Path, own: Own, recipe: OwnRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.search.FIRST_RANDOM", 1)
    monkeypatch.setattr("models.training.search.FIRST_LOOKS", 0)
    falling = iter([0.9, 0.9, 0.1, 0.1])

    def train(_: Own, __: Path, ___: OwnRecipe, hear: object) -> object:
        assert callable(hear)
        for _____ in range(2):
            hear(Progress(1, 2, 0.0, 1.0, 0.0, dev={"a": next(falling)}))
        return type("Done", (), {"figures": {"a": 0.9}})

    monkeypatch.setattr("models.training.search.train_own", train)
    monkeypatch.setattr("models.training.search._Runs.keep", lambda *_: None)
    done = search(own, place / "pruned", recipe, 2)
    assert [(own.figure, own.pruned) for own in done.trials] == [(0.9, False), (0.1, True)]


def test_the_command_says_what_is_best(place: Path) -> None:
    line = ["search", "--data", str(place / "kinds.csv"), "--base", str(place / "base"), "--trials", "1"]
    result = CliRunner().invoke(app, [*line, "--out", str(place / "told")])
    assert result.exit_code == 0, result.output
    assert "trial 0: " in result.stderr
    assert f"--config {place / 'told' / BEST}" in result.stdout.replace("\n", " ")


def test_the_table_has_the_best_first() -> None:
    trials = [
        Trial(0, 0.5, False, {"a": 1}, 60),
        Trial(1, 0.9, False, {"a": 2}, 60),
        Trial(2, 0.95, True, {}, 1),
    ]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(searching.table([*trials, Trial(3, None, False, {}, 0)]))
    rows = [line.split() for line in captured.get().splitlines() if line.strip()[:1].isdigit()]
    assert [row[:2] for row in rows] == [["1", "90.0"], ["0", "50.0"]]
