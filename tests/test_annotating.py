"""`streamer annotate`: files and standard input, in order, with a reason for what cannot be read."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from streamer import annotating, settings
from streamer.errors import SettingError
from tests.checkpoints import tiny


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> settings.Settings:
    folder = tmp_path_factory.mktemp("tiny")
    tiny(folder)
    return settings.load(checkpoint=str(folder), device="cpu", precision="fp32")


def lines(*notes: Any) -> bytes:
    return b"".join(json.dumps(note).encode() + b"\n" for note in notes)


def ids(output: str) -> list[str]:
    return [json.loads(line)["document"]["id"] for line in output.splitlines()]


def test_jsonl_notes_come_out_in_input_order(
    chosen: settings.Settings, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    notes = [{"id": f"n{n}", "text": f"chest pain {n}"} for n in range(annotating.TOGETHER + 3)]
    file = tmp_path / "notes.jsonl"
    file.write_bytes(lines(*notes) + b"\n")
    assert annotating.run([file], chosen) == 0
    assert ids(capfdbinary.readouterr().out.decode()) == [note["id"] for note in notes]


def test_a_bad_note_is_said_with_its_place_and_the_others_are_read(
    chosen: settings.Settings, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_bytes(lines({"id": "a", "text": "pain"}, {"id": "b"}, {"id": "c", "text": "aspirin"}))
    assert annotating.run([file], chosen) == 1
    captured = capfdbinary.readouterr()
    assert ids(captured.out.decode()) == ["a", "c"]
    assert captured.err.decode() == f"{file}:2: The note has no text to read.\n"


def test_another_file_is_one_note_named_by_its_path(
    chosen: settings.Settings, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("The patient denies chest pain.\nTakes aspirin.\n")
    assert annotating.run([file], chosen) == 0
    assert ids(capfdbinary.readouterr().out.decode()) == [str(file)]


def test_without_files_notes_come_from_standard_input(
    chosen: settings.Settings, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(lines({"id": "a", "text": "pain"})))
    monkeypatch.setattr(sys, "stdin", stream)
    assert annotating.run([], chosen) == 0
    assert ids(capfdbinary.readouterr().out.decode()) == ["a"]


def test_shown_text_is_the_note(
    chosen: settings.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("The patient denies chest pain.")
    assert annotating.run([file], chosen, show_text=True) == 0
    assert "denies" in capsys.readouterr().out


def test_a_missing_file_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is not a file"):
        annotating.run([tmp_path / "none.txt"], settings.load())
