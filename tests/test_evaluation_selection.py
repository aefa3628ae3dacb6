"""Which documents are read, and what is said of those that are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models.checkpoint import open_checkpoint
from models.corpora.scheme import held_out
from models.errors import CheckpointError
from models.evaluation.selection import Held, Part, Selection, fitted_by, held_by, select
from models.manifest import seal
from tests.checkpoints import huggingface_folder
from tests.corpora import data_root

HALF = Held("s", 0.5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_root(tmp_path_factory.mktemp("selection"))


def ids(selection: Selection, corpus: str = "bc5cdr") -> set[str]:
    return {document.id for document in selection.documents.get(corpus, [])}


def test_a_part_is_what_the_seeded_hash_says(root: Path) -> None:
    everything = ids(select(root, ["bc5cdr"], "all", [HALF]))
    held = ids(select(root, ["bc5cdr"], "held-out", [HALF]))
    training = ids(select(root, ["bc5cdr"], "training", [HALF]))
    assert everything == {"1", "2", "3", "4"}
    assert held == {one for one in everything if held_out(one, "s", 0.5)}
    assert training == everything - held
    assert held
    assert training


def test_two_checkpoints_are_held_against_what_neither_was_trained_on(root: Path) -> None:
    other = Held("t", 0.5)
    both = ids(select(root, ["bc5cdr"], "held-out", [HALF, other]))
    assert both == {one for one in "1234" if held_out(one, "s", 0.5) and held_out(one, "t", 0.5)}
    trained = ids(select(root, ["bc5cdr"], "training", [HALF, other]))
    assert trained == {one for one in "1234" if not held_out(one, "s", 0.5) and not held_out(one, "t", 0.5)}


def test_a_folder_that_is_missing_is_skipped_with_a_line(root: Path) -> None:
    selection = select(root, [], "all", [HALF])
    assert {"bc5cdr", "ncbi-disease", "maccrobat", "phee", "negex"} <= selection.documents.keys()
    assert f"mtsamples not read: {root / 'mtsamples'} is missing" in selection.skipped
    assert selection.why["mtsamples"] == f"{root / 'mtsamples'} is missing"
    assert len(selection) == sum(map(len, selection.documents.values()))
    few = select(root, ["phee"], "all", [HALF])
    assert few.why["bc5cdr"] == "not among the corpora that were read"
    assert few.skipped == []


def test_where_nothing_is_held_out_there_is_nothing_to_read(root: Path) -> None:
    selection = select(root, ["bc5cdr"], "held-out", [Held("s", 0.0)])
    assert not len(selection)
    assert selection.skipped == ["bc5cdr not read: none of its 4 texts is of this part"]


def test_held_out_negex_sentences_that_are_trained_on_as_well_are_left_out(tmp_path: Path) -> None:
    numbers = [str(number) for number in range(40)]
    held = [number for number in numbers if held_out(f"negex-{number}", "s", 0.5)]
    trained = next(number for number in numbers if number not in held)
    lines = ["report_id\tconcept\tsentence\tnegation\ttemporality\texperiencer"]
    for number, sentence in ((held[0], "No  FEVER."), (trained, "no FEVER."), (held[1], "No RASH.")):
        concept = "rash" if "RASH" in sentence else "fever"
        lines.append(f"{number}\t{concept}\t{sentence}\tNegated\tRecent\tPatient")
    (tmp_path / "negex").mkdir()
    (tmp_path / "negex" / "annotations.tsv").write_text("\n".join(lines) + "\n")
    selection = select(tmp_path, ["negex"], "held-out", [HALF])
    assert ids(selection, "negex") == {f"negex-{held[1]}"}
    assert selection.skipped == ["negex: 1 of 2 texts left out: they are trained on as well"]
    assert len(ids(select(tmp_path, ["negex"], "all", [HALF]), "negex")) == 3


def test_a_folder_without_the_files_of_a_corpus_is_skipped_with_a_line(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "bc5cdr", tmp_path / "bc5cdr")
    for name in ("negex", "maccrobat"):
        (tmp_path / name).mkdir()
    selection = select(tmp_path, ["bc5cdr", "negex", "maccrobat"], "all", [HALF])
    assert selection.skipped == [
        f"negex not read: {tmp_path / 'negex'} has no annotations.tsv",
        f"maccrobat not read: {tmp_path / 'maccrobat'} holds no file of it",
    ]


def test_every_file_of_a_folder_counts_whatever_its_part_is_called(root: Path, tmp_path: Path) -> None:
    (tmp_path / "bc5cdr").mkdir()
    shutil.copy(root / "bc5cdr" / "dev.pubtator.txt", tmp_path / "bc5cdr" / "test.pubtator.txt")
    assert ids(select(tmp_path, [], "all", [HALF])) == {"3", "4"}


def test_a_name_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(CheckpointError, match="no corpus is called bc6cdr; there are bc5cdr, "):
        select(root, ["bc6cdr"], "all", [HALF])


def test_named_folders_that_are_all_missing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no labelled documents: phee: .*phee is missing; --data"):
        select(tmp_path, ["phee"], "all", [HALF])


@pytest.mark.parametrize("content", ["not json\n", '{"id": "1_1"}\n'])
def test_a_folder_that_cannot_be_read_is_named_without_a_word_of_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "phee").mkdir()
    (tmp_path / "phee" / "train.jsonl").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"phee cannot be read as phee \(\w+\); fetch it again"
    ) as refused:
        select(tmp_path, [], "all", [HALF])
    assert "\n" not in str(refused.value)
    assert content.strip() not in str(refused.value)


def own(folder: Path, part: str, texts: int) -> None:
    rows = (
        {
            "id": f"{part}{number}",
            "text": f"Pain {part} {number}.",
            "spans": [{"start": 0, "end": 4, "label": "PAIN"}],
        }
        for number in range(texts)
    )
    (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(("part", "count"), [("held-out", 3), ("training", 4), ("all", 11)])
def test_data_of_ones_own_has_parts_of_its_own(tmp_path: Path, part: Part, count: int) -> None:
    """Training on it would keep half of its train part to look on, as nothing else is named for that."""
    own(tmp_path, "train", 8)
    own(tmp_path, "test", 3)
    selection = select(tmp_path, [], part, [HALF])
    assert list(selection.documents) == ["own"]
    assert len(selection) == count


def test_a_folder_that_holds_nothing_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has none of the data sets") as refused:
        select(tmp_path, [], "all", [HALF])
    assert "bc5cdr" in str(refused.value)


def test_what_is_wrong_with_data_of_ones_own_is_one_line(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "Pain.", "spans": [{"start": 0, "end": 4, "label": "PAIN"}]}), "{", "["]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(CheckpointError, match=r"and as data of your own: .*notes.jsonl:2") as refused:
        select(tmp_path, [], "all", [HALF])
    assert "\n" not in str(refused.value)


def test_of_data_of_ones_own_it_is_said_what_was_left_out_not_how_little_there_is(tmp_path: Path) -> None:
    own(tmp_path, "train", 6)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "Ache.", "spans": [{"start": 0, "end": 4, "label": "RARE"}]}) + "\n")
        file.write(json.dumps({"text": "Ow.", "spans": [{"start": 2, "end": 99, "label": "PAIN"}]}) + "\n")
    selection = select(tmp_path, [], "all", [HALF])
    assert len(selection) == 8
    (line,) = selection.skipped
    assert "train.jsonl:8" in line


def test_a_checkpoint_says_itself_what_it_was_not_trained_on(tmp_path: Path) -> None:
    plain = huggingface_folder(tmp_path / "plain")
    assert held_by(open_checkpoint(plain)) == Held()
    ours = tmp_path / "ours"
    ours.mkdir()
    opened = open_checkpoint(plain)
    opened.tokenizer.save(str(ours / "tokenizer.json"))
    shutil.copy(plain / "model.safetensors", ours / "weights.safetensors")
    manifest = {
        "name": "t",
        "version": "1",
        "encoder": {name: getattr(opened.encoder, name) for name in opened.encoder.__dataclass_fields__},
        "window": 34,
        "overlap": 8,
        "heads": [],
    }
    for training, expected in (
        ({"held_out": {"seed": "mine", "share": 0.3}}, Held("mine", 0.3)),
        ({"held_out": {"seed": 5}}, Held()),
        ({}, Held()),
    ):
        seal(ours, manifest | {"training": training})
        assert held_by(open_checkpoint(ours)) == expected
    for settled, fitted in (
        ({"seed": "half", "share": 0.5}, Held("half", 0.5)),
        ({"seed": 5}, None),
        ({}, None),
    ):
        seal(ours, manifest | {"settled": settled})
        assert fitted_by(open_checkpoint(ours)) == fitted
