"""`streamer evaluate`: what a person sees, and what is said in one line."""

from __future__ import annotations

import json
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

pytestmark = pytest.mark.usefixtures("home", "no_names")

LABELS = ("O", "B-DISEASE", "I-DISEASE", "B-MEDICATION", "I-MEDICATION")


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


def shown(report: Report, width: int = 80) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(evaluating.tables(report))
    console.file.close()
    return console.export_text()


def words(text: str) -> str:
    return " ".join(text.split())


def line(text: str, start: str) -> str:
    return next(words(own) for own in text.splitlines() if own.startswith(start))


def test_the_figures_to_reach_are_the_first_table(report: Report) -> None:
    text = shown(report)
    assert text.index("Figures to reach") < text.index("Against") < text.index("bc5cdr: entities")
    assert text.index("bc5cdr: entities") < text.index("Calibration") < text.index("Reliability: entities")
    (row,) = (row for row in report.goals if row.task == "BC5CDR chemicals")
    told = line(text, "BC5CDR chemicals")
    assert told.startswith(f"BC5CDR chemicals ≥ 91 {row.figure.value:.1f}")
    assert told.endswith("4 4 no")
    assert "PHEE drug + effect" not in text  # was not asked for


def test_nothing_is_cut_off_in_80_columns(report: Report) -> None:
    text = shown(report)
    assert "…" not in text.replace(" … ", "")
    assert {words(own) for own in shown(report, 200).splitlines()} >= {
        line(text, start) for start in ("task", "BC5CDR chemicals", "size", "label")
    }


def test_a_reason_that_several_figures_share_is_said_once(report: Report) -> None:
    text = words(shown(report))
    assert "* F1 lost to the storage format; F1 lost to computing in int8: its manifest does not say" in text
    assert text.count("fewer than 20 documents: the interval is not to be trusted") == 1


def test_two_checkpoints_stand_side_by_side_with_the_test_named(report: Report) -> None:
    text = words(shown(report))
    assert "approximate randomisation over documents (Yeh 2000), two-sided" in text
    assert "paired bootstrap" in text
    (row,) = (row for row in report.goals if row.task == "BC5CDR chemicals")
    assert row.against is not None
    assert row.against.value is not None
    figures = f"{row.against.first:.1f} {row.against.second:.1f} {row.against.value:+.1f}"
    assert f"BC5CDR chemicals {figures}" in text
    alone = shown(replace(report, against=None, comparisons=()))
    assert "Against" not in alone
    assert "differ" not in alone


def test_what_was_not_read_is_said(report: Report) -> None:
    assert "* negex: gone" in shown(replace(report, skipped=("negex: gone",)))


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
        (
            {"part": "held-out"},
            r"has nothing to measure on \(negex not read: none of its .* or take other texts with --part all",
        ),
    ],
)
def test_a_wrong_call_is_one_line(root: Path, folders: list[Path], more: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError, match=words) as refused:
        call(root, folders[0], **more)
    assert "\n" not in str(refused.value)


def test_missing_data_is_one_line(tmp_path: Path, folders: list[Path]) -> None:
    with pytest.raises(SettingError, match="is not there; --data names"):
        call(tmp_path / "nowhere", folders[0])
    with pytest.raises(CheckpointError, match="negex is missing"):
        call(tmp_path, folders[0])
    with pytest.raises(CheckpointError, match="no corpus is called nogex"):
        call(tmp_path, folders[0], corpora="nogex")


def write_own(folder: Path, label: str) -> Path:
    rows = [
        {"id": f"{n}", "text": f"Pain {n}.", "spans": [{"start": 0, "end": 4, "label": label}]}
        for n in range(6)
    ]
    (folder / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_data_of_ones_own_is_measured(
    tmp_path: Path, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(write_own(tmp_path, "DISEASE"), folders[0], corpora="") == 0
    text = capsys.readouterr().out
    assert "6 of 6 texts: all" in text
    assert "own: entities" in text
    assert "BC5CDR" not in text


def test_labels_of_ones_own_that_the_checkpoint_does_not_know_are_named(
    tmp_path: Path, folders: list[Path]
) -> None:
    with pytest.raises(SettingError, match="no head for its labels") as refused:
        call(write_own(tmp_path, "Disease"), folders[0], corpora="")
    assert "(Disease); the checkpoint knows DISEASE, MEDICATION: call yours alike" in str(refused.value)
    assert "\n" not in str(refused.value)
