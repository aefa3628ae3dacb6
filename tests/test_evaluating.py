"""`streamer evaluate`: what a person sees, and what is said in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from models.errors import CheckpointError
from models.evaluation.report import Report
from models.evaluation.run import run as measure
from streamer import evaluating
from streamer.errors import SettingError
from tests.checkpoints import huggingface_folder
from tests.corpora import data_root

LABELS = ("O", "B-DISEASE", "I-DISEASE", "B-MEDICATION", "I-MEDICATION")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr("models.evaluation.run.load_shipped", lambda: ())  # half a million names
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_root(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [huggingface_folder(tmp_path_factory.mktemp("one"), labels=LABELS, seed=seed) for seed in (0, 3)]


@pytest.fixture(scope="module")
def report(folders: list[Path], root: Path) -> Report:
    one, two = folders
    return measure(one, root, "all", corpora=["bc5cdr", "negex"], against=two, device="cpu", resamples=50)


def shown(report: Report) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(evaluating.tables(report))
    console.file.close()
    return console.export_text()


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_figures_to_reach_are_the_first_table(report: Report) -> None:
    text = shown(report)
    assert text.index("Figures to reach") < text.index("Against") < text.index("bc5cdr: entities")
    assert text.index("bc5cdr: entities") < text.index("Calibration") < text.index("Reliability: entities")
    (line,) = (line for line in text.splitlines() if line.startswith("│ BC5CDR chemicals"))
    assert "≥ 91" in line
    assert "4 in 4" in line
    assert "reached" in line
    (line,) = (line for line in text.splitlines() if "PHEE drug + effect" in line)
    assert "not among the corpora that were read" in line


def test_two_checkpoints_stand_side_by_side_with_the_test_named(report: Report) -> None:
    text = words(shown(report))
    assert "approximate randomisation over documents (Yeh 2000), two-sided" in text
    assert "paired bootstrap" in text
    alone = shown(replace(report, against=None, comparisons=()))
    assert "Against" not in alone
    assert "difference" not in alone


def test_what_was_not_read_is_said(report: Report) -> None:
    assert "not read: negex: gone" in shown(replace(report, skipped=("negex: gone",)))


def call(root: Path, folder: Path, **more: Any) -> int:
    return evaluating.run(root, str(folder), **{"part": "all", "corpora": "negex", "device": "cpu"} | more)


def test_json_is_one_object(root: Path, folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(root, folders[0], corpora="negex, phee", as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert {table["corpus"] for table in told["tables"]} == {"negex", "phee"}
    assert told["goals"][0]["task"] == "BC5CDR chemicals"


def test_tables_are_printed(root: Path, folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(root, folders[0]) == 0
    assert "Figures to reach" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"part": "most"}, "--part most is none; there are held-out, training, all"),
        ({"part": "held-out"}, "has no text of the part 'held-out'"),
    ],
)
def test_a_wrong_call_is_one_line(root: Path, folders: list[Path], more: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError, match=words) as refused:
        call(root, folders[0], **more)
    assert "\n" not in str(refused.value)


def test_missing_data_is_one_line(tmp_path: Path, folders: list[Path]) -> None:
    with pytest.raises(SettingError, match="is not a folder; --data names"):
        call(tmp_path / "nowhere", folders[0])
    with pytest.raises(CheckpointError, match="negex is missing"):
        call(tmp_path, folders[0])
    with pytest.raises(CheckpointError, match="no corpus is called nogex"):
        call(tmp_path, folders[0], corpora="nogex")
