"""`streamer train` on a user's own texts: what a person types, sees and gets."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.training import recipe
from models.training.config import TrainConfig
from models.training.progress import Progress
from streamer import training
from streamer.cli import app
from streamer.errors import SettingError
from streamer.training_view import View, chart, clock, shown
from tests.checkpoints import huggingface_folder
from tests.own_data import Text, as_brat, as_conll, as_csv, as_jsonl, as_pubtator

FEWEST_STEPS = 6
pytestmark = pytest.mark.usefixtures("few_steps")

KINDS = [(f"{'aspirin' if n % 2 else 'fever'} {n}", "drug" if n % 2 else "sign") for n in range(20)]
NOTES = [Text(f"He has fever and takes aspirin {n}", ((7, 12, "SIGN"), (23, 30, "DRUG"))) for n in range(12)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("learning") / "base", "BertModel")


def train(data: Path, out: Path, *options: str) -> Result:
    line = ["train", "--data", str(data), "--out", str(out), "--epochs", "0.1", "--batch-tokens", "64"]
    return CliRunner().invoke(app, [*line, *options])


def labelled(folder: Path, how: str) -> Path:
    folder.mkdir()
    if how == "brat":
        as_brat(folder, NOTES)
    elif how == "conll":
        as_conll(folder / "a.conll", NOTES, "IOB2")
    elif how == "jsonl":
        as_jsonl(folder / "a.jsonl", NOTES)
    elif how == "pubtator":
        as_pubtator(folder / "a.pubtator", [("A note", note) for note in NOTES])
    return folder


@pytest.mark.parametrize("how", ["brat", "conll", "jsonl", "pubtator"])
def test_spans_in_every_format_become_a_checkpoint(tmp_path: Path, base: Path, how: str) -> None:
    result = train(labelled(tmp_path / "data", how), tmp_path / "run", "--base", str(base))
    assert result.exit_code == 0, result.output
    assert f"{how}: 12 texts; 2 kinds of spans" in result.stderr
    (entities,) = open_checkpoint(tmp_path / "run" / "checkpoint").heads
    assert entities["categories"] == ["DRUG", "SIGN"]
    assert (tmp_path / "run" / "report.html").is_file()
    assert "report.html" in result.stdout


def test_a_table_with_columns_of_any_name(tmp_path: Path, base: Path) -> None:
    as_csv(tmp_path / "a.csv", [("what", "kind", "other"), *((*row, "x") for row in KINDS)])
    columns = ["--text-column", "what", "--label-column", "kind", "--base", str(base), "--no-examples"]
    result = train(tmp_path / "a.csv", tmp_path / "run", *columns, "--seed", "7")
    assert result.exit_code == 0, result.output
    assert "training: step 6 of 6" in result.stderr
    assert "kind: 2 labels" in result.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_bytes())["recipe"]["seed"] == 7
    assert "quotes your texts" not in (tmp_path / "run" / "report.html").read_text()


def test_settings_come_from_a_file_and_the_line_goes_before(tmp_path: Path, base: Path) -> None:
    as_csv(tmp_path / "a.csv", [("text", "label"), *KINDS])
    (tmp_path / "own.toml").write_text(f'name = "mine"\nseed = 3\nbase = "{base}"\n')
    options = ["--config", str(tmp_path / "own.toml"), "--seed", "4", "--accumulate", "2"]
    assert train(tmp_path / "a.csv", tmp_path / "run", *options).exit_code == 0
    assert open_checkpoint(tmp_path / "run" / "checkpoint").name == "mine"
    told = json.loads((tmp_path / "run" / "run.json").read_bytes())["recipe"]
    assert (told["seed"], told["accumulate"], told["batch_tokens"]) == (4, 2, 64)


def test_what_is_wrong_is_told_line_by_line_without_a_word_of_a_text(tmp_path: Path, base: Path) -> None:
    rows = [("text", "label"), *KINDS, ("secret", ""), ("a", "b", "c")]
    as_csv(tmp_path / "a.csv", rows)
    result = train(tmp_path / "a.csv", tmp_path / "run", "--base", str(base))
    assert result.exit_code == 0
    assert "a.csv:22: its label is empty; skipped" in result.stderr
    assert "a.csv:23: has 3 columns, the first row 2; skipped" in result.stderr
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--heads", "entitties"], "no head is called entitties"),
        (["--heads", "relations"], "no labels for the heads relations"),
        (["--epochs", "0"], "epochs"),
        (["--batch-tokens", "3"], "batch_tokens"),
        (["--label-column", "none"], "has no column none"),
        (["--base", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_a_wrong_call_says_why(tmp_path: Path, options: list[str], why: str) -> None:
    as_csv(tmp_path / "a.csv", [("text", "label"), *KINDS])
    result = train(tmp_path / "a.csv", tmp_path / "run", *options)
    assert isinstance(result.exception, CheckpointError)
    assert why in str(result.exception)


def test_data_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    result = train(tmp_path / "none", tmp_path / "run")
    assert isinstance(result.exception, SettingError)
    assert result.exception.exit_code == 2


def test_a_recipe_of_data_sets_is_run_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []

    def run(config: TrainConfig, *_: object, on_stage: object, **more: object) -> Path:
        called.append((config.name, more))
        return tmp_path

    monkeypatch.setattr(recipe, "run", run)
    given = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    line = ["train", *given, "--config", str(training.RECIPE), "--base", "b"]
    assert CliRunner().invoke(app, line).exit_code == 0
    (tmp_path / "bc5cdr").mkdir()
    assert CliRunner().invoke(app, ["train", *given]).exit_code == 0
    more = {"data": tmp_path, "output": tmp_path / "run"}
    assert called == [("clinical-mini", more | {"base": "b"}), ("clinical-mini", more | {"base": None})]
    refused = CliRunner().invoke(app, [*line, "--seed", "2"])
    assert isinstance(refused.exception, SettingError)
    assert "--seed" in str(refused.exception)


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train_own", interrupted)
    as_csv(tmp_path / "a.csv", [("text", "label"), *KINDS])
    result = train(tmp_path / "a.csv", tmp_path / "run")
    assert result.exit_code == 1
    assert "the same command goes on" in result.stderr


# --- what is seen on the way ------------------------------------------------------------------------


def steps(count: int) -> Iterator[Progress]:
    for step in range(1, count + 1):
        dev = {"dev label": 0.5} if step % 40 == 0 else {}
        yield Progress(step, count, 10.0 / step, 1234.0, 61.0, {}, dev)


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("training", Console(stderr=True, force_terminal=False, width=40)) as view:
        for step in steps(100):
            view.hear(step)
        view.begin("measuring what was held out")
    first, *lines, last = capsys.readouterr().err.splitlines()
    assert first == "training: making ready"
    assert last == "training: measuring what was held out"
    assert len(lines) == 25
    assert lines[9] == "training: step 40 of 100  loss 0.250  1,234 tokens/s  1:01 left  dev label 50.0"


def test_a_terminal_gets_a_chart_and_the_last_figures() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    view = View("training")
    with console.capture() as captured:
        console.print(view)
        for step in steps(100):
            view.hear(step)
        console.print(view)
        view.begin("measuring what was held out")
        console.print(view)
    text = captured.get()
    assert "making ready" in text
    assert text.endswith("training: measuring what was held out\n")
    assert "10.000 █" in text
    assert "after 80: dev label 50.0" in text
    assert all(len(line) <= 60 for line in text.splitlines())


def test_a_chart_is_highest_where_the_values_are() -> None:
    assert chart([2.0, 1.0, 0.0], 10, 2) == ["█  ", "██▁"]
    assert chart([1.0] * 50, 10, 1) == ["▁" * 10]


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0:00"), (61, "1:01"), (3600, "1:00:00")])
def test_times_are_told_as_on_a_clock(seconds: float, told: str) -> None:
    assert clock(seconds) == told
