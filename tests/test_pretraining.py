"""`streamer pretrain` and `streamer merge`: from files to folders, and what is said on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from streamer import pretraining
from streamer.cli import app
from streamer.errors import SettingError
from tests.checkpoints import huggingface_folder, tiny

SENTENCE = "The patient has fever and chest pain. No pains on the left. He takes amoxicillin."


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.txt").write_text(f"{SENTENCE} {number}\n")
    return folder


def test_raw_notes_become_a_base(tmp_path: Path, notes: Path) -> None:
    base = huggingface_folder(tmp_path / "bert", "BertModel")
    line = ["pretrain", "--text", str(notes), "--base", str(base), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(
        app, [*line, "--tokens", "600", "--batch-tokens", "200", "--extend", "1", "--next-sentence"]
    )
    assert result.exit_code == 0, result.output
    assert "1 more word pieces" in result.stderr
    assert "reading: step 3 of 3" in result.stderr
    assert "perplexity on 1 texts that it did not learn from" in result.stdout
    assert "next sentences told rightly" in result.stdout
    opened = open_checkpoint(tmp_path / "run" / "base")
    assert "amoxicillin" in opened.tokenizer.get_vocab()
    assert "amoxicillin" not in result.output  # words of notes are in files alone


@pytest.mark.parametrize(
    "wrong", [["--tokens", "0"], ["--batch-tokens", "-5"], ["--tokens", "-1", "--batch-tokens", "9"]]
)
def test_lengths_that_cannot_be_are_refused(tmp_path: Path, notes: Path, wrong: list[str]) -> None:
    result = CliRunner().invoke(app, ["pretrain", "--text", str(notes), "--out", str(tmp_path), *wrong])
    assert isinstance(result.exception, SettingError)
    assert "has to be 1 or more" in str(result.exception)


def test_a_place_without_texts_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["pretrain", "--text", str(tmp_path), "--out", str(tmp_path / "run")])
    assert isinstance(result.exception, CheckpointError)
    assert "holds no text" in str(result.exception)


def test_an_interrupted_run_says_how_to_go_on(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pretraining, "trained", interrupted)
    assert pretraining.run([notes], "base", tmp_path / "run", pretraining.config()) == 1
    assert "the same command goes on" in capsys.readouterr().err


def test_checkpoints_are_merged_with_their_weights(tmp_path: Path) -> None:
    one, two = (tiny(tmp_path / name, seed=seed).folder for name, seed in (("one", 0), ("two", 1)))
    line = ["merge", str(one), str(two), "--out", str(tmp_path / "both")]
    result = CliRunner().invoke(app, [*line, "--weights", "3,1", "--name", "both"])
    assert result.exit_code == 0, result.output
    assert f"--checkpoint {tmp_path / 'both'} --against {one}" in result.stdout
    assert open_checkpoint(tmp_path / "both").name == "both"


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    line = ["merge", "a", "b", "--out", str(tmp_path / "both"), "--weights", "two,1"]
    result = CliRunner().invoke(app, line)
    assert isinstance(result.exception, SettingError)
    assert "numbers with commas between" in str(result.exception)
