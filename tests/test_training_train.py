"""A whole run on a tiny base and tiny corpora: it learns, goes on after a cut, and its result loads."""

from __future__ import annotations

import shutil
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from models.annotator import Annotator
from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.training import evaluate, precisions
from models.training.config import Held, Sizes, TrainConfig, read_config
from models.training.progress import Progress, schedule
from models.training.recipe import run
from tests.checkpoints import huggingface_folder
from tests.corpora import data_root
from tests.power_cut import Cut, Seen

pytestmark = pytest.mark.usefixtures("home")

CONFIG = TrainConfig(
    name="tiny", version="1", corpora={"bc5cdr": 1, "maccrobat": 1, "phee": 1, "negex": 1},
    held_out=Held("s", 0.0), tokens=8000, batch_tokens=400, window=40, overlap=8, synthetic=5, save_every=2,
    warm_up=2, sizes=Sizes(8, 8, 8), threads=1, surrogates=0, mixed=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("training")
    text = data_root(place / "data") / "maccrobat" / "brat" / "9"
    marks = text.with_suffix(".ann").read_text() + "T20\tTherapeutic_procedure 82 87\tgiven\n"
    text.with_suffix(".ann").write_text(marks)
    huggingface_folder(place / "base", "BertModel")
    return place


def train(
    place: Path, output: str, config: TrainConfig = CONFIG, stop_at: int = 0
) -> tuple[Path, list[Progress]]:
    seen = Seen(stop_at)
    folder = run(config, seen, data=place / "data", output=place / output, base=str(place / "base"))
    return folder, seen


@pytest.fixture(scope="module")
def finished(place: Path) -> tuple[Path, list[Progress]]:
    return train(place, "whole")


def test_progress_counts_up_and_the_loss_goes_down(finished: tuple[Path, list[Progress]]) -> None:
    _, seen = finished
    assert [p.step for p in seen] == list(range(1, CONFIG.steps + 1))
    assert {p.steps for p in seen} == {CONFIG.steps}
    assert seen[-1].loss < seen[0].loss
    assert seen[-1].eta == 0
    assert all(p.tokens_per_second > 0 for p in seen)


def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    place: Path, finished: tuple[Path, list[Progress]]
) -> None:
    with pytest.raises(Cut):
        train(place, "cut", stop_at=5)
    folder, seen = train(place, "cut")
    assert [p.step for p in seen] == list(range(5, CONFIG.steps + 1))  # step 4 was the last one saved
    whole, cut = (load_file(path / "weights.safetensors") for path in (finished[0], folder))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert seen[-1].loss == finished[1][-1].loss


def test_teachers_come_first_and_each_student_begins_as_the_one_before(place: Path) -> None:
    taught = msgspec.structs.replace(
        CONFIG,
        tokens=2000,
        teachers=({"seed": 5, "masked": 0.1}, {"seed": 6}),
        students=({"seed": 7},),
        unlabelled={"phee": 1.0},
    )
    _, seen = train(place, "taught", taught)
    stages = [stage for stage, _ in groupby(p.stage for p in seen)]
    assert stages == ["teacher 1", "teacher 2", "student 1", "training"]
    assert seen[-1].parts["entities-soft"] > 0
    words = {
        name: torch.load(place / "taught" / f"{name}.pt", weights_only=True)["model"]["encoder.words.weight"]
        for name in ("teacher-1", "teacher-2", "student-1", "training")
    }

    def nearest(name: str) -> str:
        return min(words.keys() - {name}, key=lambda own: float(torch.dist(words[own], words[name])))

    assert nearest("training") == "student-1"
    assert torch.dist(words["student-1"], words["teacher-1"]) < torch.dist(
        words["student-1"], words["teacher-2"]
    )


def test_what_is_done_between_the_steps_is_told(place: Path) -> None:
    told: list[str] = []
    taught = msgspec.structs.replace(CONFIG, tokens=600, teachers=({"seed": 5},))
    run(
        taught,
        on_stage=told.append,
        data=place / "data",
        output=place / "told",
        base=str(place / "base"),
    )
    assert told == [
        "reading the data sets",
        "teacher 1: making ready",
        "training: making ready",
        "training: asking its teachers",
        "fitting curves and thresholds on one half of what was held out",
        "measuring what was held out",
    ]


def test_what_goes_on_is_the_average_of_student_and_teachers(place: Path) -> None:
    alone = msgspec.structs.replace(CONFIG, tokens=600, teachers=({"seed": 5},))
    for shares in ((1.0, 0.0), (0.25, 0.75)):
        folder, _ = train(place, f"averaged-{shares[0]}", msgspec.structs.replace(alone, averaged=shares))
        key = "encoder.layers.0.attention_norm.bias"  # kept as it is, not in 8 bits
        first, last = (
            torch.load(folder.parent / f"{name}.pt", weights_only=True)["model"][key]
            for name in ("teacher-1", "training")
        )
        kept = load_file(folder / "weights.safetensors")[key]
        torch.testing.assert_close(kept, shares[0] * last + shares[1] * first)
        assert not torch.equal(first, last)
    with pytest.raises(ValueError, match="write 2 shares"):
        msgspec.convert({**msgspec.to_builtins(alone), "averaged": [1.0]}, TrainConfig)


@pytest.mark.parametrize("wrong", [{"tokens": "many"}, {"mashed": 0.1}])
def test_a_teacher_with_a_wrong_setting_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="teacher 2 of the training configuration"):
        msgspec.structs.replace(CONFIG, teachers=({"seed": 1}, wrong)).teacher(1)
    with pytest.raises(CheckpointError, match="student 1 of the training configuration"):
        msgspec.structs.replace(CONFIG, students=(wrong,)).student(0)


def test_another_seed_gives_other_weights(place: Path, finished: tuple[Path, list[Progress]]) -> None:
    _, seen = train(place, "other", msgspec.structs.replace(CONFIG, seed=2))
    assert seen[-1].loss != finished[1][-1].loss


def test_what_was_trained_is_a_checkpoint_that_annotates(finished: tuple[Path, list[Progress]]) -> None:
    checkpoint = open_checkpoint(finished[0])
    assert (checkpoint.name, checkpoint.version, checkpoint.layout) == ("tiny", "1", "streamer")
    assert len(dict(checkpoint.layers)["entities"]) == 19
    assert checkpoint.dictionary is not None
    text = "The patient takes aspirin."
    with Annotator(checkpoint, "cpu") as annotator:
        record = annotator.annotate(text)
    for entity in record.entities:
        assert text[entity.span.start : entity.span.end] == entity.text


def test_what_int8_loses_is_in_the_manifest(
    place: Path, finished: tuple[Path, list[Progress]], tmp_path: Path
) -> None:
    assert open_checkpoint(finished[0]).precisions == {}  # no document was held out: nothing is known
    folder = Path(shutil.copytree(finished[0], tmp_path / "copy"))
    everything = msgspec.structs.replace(CONFIG, held_out=Held("s", 1.0))
    measured = precisions.run(folder, place / "data", everything)
    assert open_checkpoint(folder).precisions == measured
    assert -100 <= measured["int8"]["f1_loss"] <= 100
    assert measured["int8"]["on"].startswith("21 entities of the documents of bc5cdr, maccrobat, phee")


def test_evaluation_counts_every_corpus(place: Path, finished: tuple[Path, list[Progress]]) -> None:
    report = evaluate.run(finished[0], place / "data", "all", config=CONFIG, device="cpu")
    tables = {(table.corpus, table.task): table for table in reversed(report.tables)}
    assert {s.label: s.gold for s in tables["bc5cdr", "entities"].scores} == {"MEDICATION": 4, "PROBLEM": 8}
    assert tables["maccrobat", "entities"].micro.gold == 7
    assert ("negex", "certainty") in tables
    assert msgspec.json.decode(msgspec.json.encode(report.as_dict()))["name"] == "tiny"


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [schedule(step, CONFIG.steps, CONFIG.warm_up) for step in range(CONFIG.steps + 1)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[-1] == 0
    assert all(a > b for a, b in pairwise(rates[2:]))


def test_the_committed_recipe_is_read() -> None:
    config = read_config(Path(evaluate.__file__).with_name("clinical-mini.toml"))
    assert config.name == "clinical-mini"
    assert config.held_out.share >= 0.1
    assert all(source.licence for source in config.sources)


@pytest.mark.parametrize("content", ["name = 1", "not toml", 'name = "x"\nunknown = 1'])
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(content)
    with pytest.raises(CheckpointError, match="is no training configuration") as refused:
        read_config(path)
    assert "\n" not in str(refused.value)
