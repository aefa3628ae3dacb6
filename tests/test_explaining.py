"""`streamer annotate --explain`: records with explanations, coloured text, a page; and how it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from streamer import annotating, explaining, schemas, settings
from streamer.cli import app
from streamer.errors import SettingError, WorldError
from tests.decisive import decisive

TEXT = "the patient denies chest pain."


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> settings.Settings:
    folder = tmp_path_factory.mktemp("decisive") / "made"
    decisive(folder)
    return settings.load(checkpoint=str(folder), device="cpu", precision="fp32")


@pytest.fixture
def note(tmp_path: Path) -> Path:
    file = tmp_path / "note.txt"
    file.write_text(TEXT)
    return file


def test_records_have_explanations_that_hold_to_the_schema(
    chosen: settings.Settings, note: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert explaining.run([note], chosen, "ig") == 0
    record = json.loads(capfdbinary.readouterr().out)
    Draft202012Validator(schemas.read("annotation-1.json")).validate(record)
    (entity,) = record["entities"]
    said = [(own["kind"], own["task"], own["label"]) for own in record["explanations"]]
    assert said[:2] == [("entity", "category", "PROBLEM"), ("assertion", "certainty", "negative")]
    assert {own["reference"] for own in record["explanations"][:2]} == {entity["id"]}
    decided = record["explanations"][1]["words"][0]
    assert decided["text"] == "denies" == TEXT[decided["span"]["start"] : decided["span"]["end"]]


def test_every_axis_is_explained_on_demand(
    chosen: settings.Settings, note: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert explaining.run([note], chosen, "rollout", every_axis=True) == 0
    found = json.loads(capfdbinary.readouterr().out)["explanations"]
    axes = [own["task"] for own in found if own["kind"] == "assertion"]
    assert axes == ["certainty", "conditionality", "association", "temporality"]


def test_a_terminal_shows_the_note_and_each_answers_words_with_their_weights(
    chosen: settings.Settings, note: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explaining.run([note], chosen, "ig", show_text=True) == 0
    shown = capsys.readouterr().out
    assert "1 entities in 1 sections" in shown
    assert "pain  certainty: negative" in shown
    assert "denies +" in shown, "it can be read without colour"
    assert "\x1b" not in shown, "no colour where nobody sees it"


def test_nothing_in_a_text_steers_the_terminal_or_the_page(
    chosen: settings.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "note.txt", tmp_path / "page.html"
    file.write_text("denies \x1b[31m \u202e<script>alert(1)</script> & pain")
    assert explaining.run([file], chosen, "rollout", show_text=True, html=page) == 0
    shown, written = capsys.readouterr().out, page.read_text()
    for steering in ("\x1b", "\u202e"):
        assert steering not in shown
        assert steering not in written
    assert "<script" not in written


def test_a_note_that_cannot_be_read_is_said_and_the_others_are_explained(
    chosen: settings.Settings, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file, page = tmp_path / "notes.jsonl", tmp_path / "page.html"
    notes: list[Any] = [{"id": "a", "text": "pain"}, {"id": "b"}, {"id": "c", "text": "fever"}]
    file.write_text("".join(json.dumps(own) + "\n" for own in notes))
    assert explaining.run([file], chosen, "rollout", html=page) == 1
    captured = capfdbinary.readouterr()
    records = [json.loads(line) for line in captured.out.splitlines()]
    assert [record["document"]["id"] for record in records] == ["a", "c"]
    assert all(record["explanations"] for record in records)
    assert f"{file}:2: The note has no text to read." in captured.err.decode()
    written = page.read_text()
    assert written.count("<section>") == 2
    assert written.endswith("</html>\n")


def test_a_page_that_cannot_be_written_is_one_line(chosen: settings.Settings, note: Path) -> None:
    with pytest.raises(WorldError, match="give --html another place"):
        explaining.run([note], chosen, "rollout", html=note / "page.html")


def test_a_missing_file_names_the_methods_too() -> None:
    with pytest.raises(SettingError, match="gi is not a file, and --explain knows ig, rollout, lime, shap"):
        explaining.run([Path("gi")], settings.load(), "ig")


# --- how it is called ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "how", "files"),
    [
        (["--explain", "n.txt"], "ig", ["n.txt"]),
        (["n.txt", "--explain"], "ig", ["n.txt"]),
        (["--explain", "shap", "n.txt"], "shap", ["n.txt"]),
        (["--explain=rollout", "a.txt", "b.txt"], "rollout", ["a.txt", "b.txt"]),
        (["--explain", "--show"], "ig", []),
    ],
)
def test_the_method_may_be_left_out(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], how: str, files: list[str]
) -> None:
    called: list[Any] = []

    def run(*given: Any, **_: Any) -> int:
        called.append(given)
        return 0

    monkeypatch.setattr(explaining, "run", run)
    assert CliRunner().invoke(app, ["annotate", *arguments]).exit_code == 0
    ((paths, _, method),) = called
    assert ([str(path) for path in paths], method) == (files, how)


def test_without_it_nothing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    def run(*given: Any, **_: Any) -> int:
        called.append(given)
        return 0

    monkeypatch.setattr(annotating, "run", run)
    assert CliRunner().invoke(app, ["annotate", "n.txt"]).exit_code == 0
    assert len(called) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--explain=magic"], "--explain magic: not a method; give one of ig, rollout, lime, shap"),
        (["--html", "page.html"], "give --explain, too"),
        (["--every-axis"], "give --explain, too"),
    ],
)
def test_a_wrong_call_is_refused_with_what_to_do(arguments: list[str], said: str) -> None:
    error = CliRunner().invoke(app, ["annotate", *arguments]).exception
    assert isinstance(error, SettingError)
    assert said in str(error)
