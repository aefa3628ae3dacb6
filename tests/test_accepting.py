"""`streamer accept`: the loss of a precision on labelled notes, what is said of it, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models import acceptance
from models.annotator import Annotator
from models.checkpoint import open_checkpoint
from models.types import Annotation, Note
from streamer import accepting, settings
from streamer.accepting import Labelled, compare, read_sample
from streamer.errors import SettingError
from tests.checkpoints import TEXT, streamer_folder

TEXTS = [f"{TEXT} {word} chest pains and aspirin." for word in ("no", "has", "denies", "left", "café 日")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streamer_folder(tmp_path_factory.mktemp("accepting") / "tiny")


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Annotation]:
    with Annotator.load(folder, "cpu") as annotator:
        return [annotator.annotate(Note(id=f"n{n}", text=text)) for n, text in enumerate(TEXTS)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def chosen(folder: Path, **more: Any) -> settings.Settings:
    return settings.load(checkpoint=str(folder), device="cpu", **{"precision": "int8", **more})


def entities(record: Annotation) -> list[dict[str, Any]]:
    return [{"start": e.span.start, "end": e.span.end, "category": e.category} for e in record.entities]


def sample(path: Path, records: Sequence[Annotation], *, labelled: bool = True) -> Path:
    notes = [
        {"id": record.document.id, "text": text} | ({"entities": entities(record)} if labelled else {})
        for text, record in zip(TEXTS, records, strict=True)
    ]
    path.write_text("".join(json.dumps(note) + "\n" for note in notes) + "\n")
    return path


def without(record: Annotation, count: int) -> Annotation:
    return msgspec.structs.replace(record, entities=record.entities[count:])


def gold(records: Sequence[Annotation]) -> list[Labelled]:
    return [
        Labelled(Note(id="n", text=text), accepting._places(record))
        for text, record in zip(TEXTS, records, strict=True)
    ]


# --- counting ------------------------------------------------------------------------------------


def test_the_loss_is_in_points_of_micro_f1_over_exact_spans(records: list[Annotation]) -> None:
    other = [without(records[0], 2), *records[1:]]
    there = sum(len(record.entities) for record in records)
    result = compare(gold(records), records, other, "int8")
    assert (result.measure, result.notes, result.entities) == ("gold", len(TEXTS), there)
    assert result.f1_fp32 == 100
    assert result.f1 == pytest.approx(200 * (there - 2) / (2 * there - 2))
    assert result.loss == pytest.approx(100 - result.f1, abs=1e-4)
    assert result.low <= result.loss <= result.high
    assert result.low == 0  # some samples drawn anew miss the note that differs


def test_a_rise_is_a_negative_loss(records: list[Annotation]) -> None:
    worse = [without(record, 1) for record in records]
    assert compare(gold(records), worse, records, "int8").loss < 0


def test_without_labels_every_difference_from_fp32_counts(records: list[Annotation]) -> None:
    unlabelled = [Labelled(own.note, None) for own in gold(records)]
    other = [without(records[0], 1), *records[1:]]
    result = compare(unlabelled, records, other, "int8")
    assert (result.measure, result.f1_fp32) == ("agreement", 100)
    assert result.loss > 0
    assert compare(unlabelled, records, records, "int8").loss == 0


def test_another_assertion_of_the_same_entity_is_told(records: list[Annotation]) -> None:
    first = records[0].entities[0]
    turned = msgspec.structs.replace(
        first, assertion=msgspec.structs.replace(first.assertion, certainty="neutralPossible")
    )
    other = msgspec.structs.replace(records[0], entities=(turned, *records[0].entities[1:]))
    result = compare(gold(records), records, [other, *records[1:]], "int8")
    assert (result.judged_otherwise, result.loss) == (1, 0)


def test_nothing_to_find_and_nothing_found_is_no_loss(records: list[Annotation]) -> None:
    empty = [without(record, 10_000) for record in records]
    assert compare(gold(empty), empty, empty, "int8").loss == 0


# --- the command ---------------------------------------------------------------------------------


def test_what_is_measured_is_shown_kept_and_believed_at_the_next_start(
    folder: Path, records: list[Annotation], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labelled = sample(tmp_path / "labelled.jsonl", records)
    code = accepting.run(labelled, chosen(folder, accept_loss=100), as_json=True)
    told = json.loads(capfd.readouterr().out)
    assert code == 0
    assert (told["precision"], told["measure"], told["f1_fp32"]) == ("int8", "gold", 100)
    assert (told["accepted"], told["record"]) == (True, str(folder / "int8-accepted.json"))
    assert acceptance.measured_loss(open_checkpoint(folder), "int8") == told["loss"]


def test_too_large_a_loss_is_kept_too_and_exit_1(
    folder: Path,
    records: list[Annotation],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([records, [without(record, 1) for record in records]])
    monkeypatch.setattr(accepting, "_annotate", lambda *_: next(answers))
    monkeypatch.setattr(accepting, "prepared", lambda *_: "int8")
    assert accepting.run(sample(tmp_path / "s.jsonl", records), chosen(folder)) == 1
    output = capfd.readouterr().out
    assert "int8 is not accepted" in output
    assert "Only" in output  # a sample too small to be sure
    assert not acceptance.accepted(open_checkpoint(folder), "int8")
    assert "chest" not in output


def test_a_sample_without_labels_says_what_it_was_held_against(
    folder: Path,
    records: list[Annotation],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accepting, "_annotate", lambda *_: records)
    monkeypatch.setattr(accepting, "prepared", lambda *_: "int8")
    assert accepting.run(sample(tmp_path / "s.jsonl", records, labelled=False), chosen(folder)) == 0
    assert "not labelled" in capfd.readouterr().out


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_fp32_is_not_measured_against_itself(folder: Path, tmp_path: Path, precision: str) -> None:
    with pytest.raises(SettingError, match="bf16 or int8"):
        accepting.run(tmp_path / "s.jsonl", chosen(folder, precision=precision))


# --- the sample ----------------------------------------------------------------------------------

CATEGORIES = ("PROBLEM", "DRUG")


def refusal(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines))
    with pytest.raises(SettingError) as caught:
        read_sample(path, CATEGORIES)
    message = str(caught.value)
    assert "\n" not in message
    assert "secret" not in message
    return message


def line(text: str = "secret pain", **more: Any) -> str:
    return json.dumps({"id": "n", "text": text, **more})


def label(start: int, end: int, category: str = "PROBLEM") -> dict[str, Any]:
    return {"start": start, "end": end, "category": category}


def test_what_is_wrong_with_a_sample_is_one_line_that_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    good = line(entities=[label(7, 11)])
    assert f"{path}:2" in refusal(path, good, line(entities=[label(7, 12)]))
    assert f"{path}:1" in refusal(path, line(entities=[label(3, 3)]))
    assert f"{path}:1" in refusal(path, line(entities=[{"start": 1}]))
    assert f"{path}:1" in refusal(path, line(entities="secret"))
    assert f"{path}:2" in refusal(path, good, "{secret")
    assert "label all or none" in refusal(path, good, line())
    assert "no entity is of a category" in refusal(path, line(entities=[label(7, 11, "secret")]))
    assert "no notes" in refusal(path, "", " ")
    with pytest.raises(SettingError, match="not a file"):
        read_sample(tmp_path / "none", CATEGORIES)


def test_labels_are_read_in_code_points_and_foreign_categories_left_out(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(line("😀 pain", entities=[label(2, 6), label(2, 6, "OTHER")]) + "\n\n")
    (read,) = read_sample(path, CATEGORIES)
    assert read.gold == frozenset({(2, 6, "PROBLEM")})
    assert read.note.text[2:6] == "pain"
