"""A checkpoint from texts of one's own: what is learned, what is refused, what stands in the folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.annotator import Annotator
from models.checkpoint import Checkpoint, open_checkpoint
from models.corpora.own import Own, read_own
from models.errors import CheckpointError
from models.training.own import Trained, train_own
from models.training.own_recipe import OwnRecipe, read_own_recipe, train_config
from models.training.progress import Progress
from tests.checkpoints import huggingface_folder
from tests.own_data import as_csv
from tests.power_cut import Cut

FEWEST_STEPS = 30
pytestmark = pytest.mark.usefixtures("few_steps")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("own")
    huggingface_folder(place / "base", "BertModel")
    rows = [
        (f"{n}", f"{'aspirin' if n % 2 else 'fever'} {n}", "drug" if n % 2 else "sign") for n in range(24)
    ]
    as_csv(place / "kinds.csv", [("id", "text", "label"), *rows])
    return place


@pytest.fixture(scope="module")
def own(place: Path) -> Own:
    return read_own(place / "kinds.csv")


@pytest.fixture(scope="module")
def recipe(place: Path) -> OwnRecipe:
    return OwnRecipe(
        base=str(place / "base"), epochs=1, batch_tokens=64, encoder_rate=1e-2, head_rate=1e-2, threads=1,
        mixed=False, masked=0.0, window=40, patience=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(place: Path, own: Own, recipe: OwnRecipe) -> Trained:
    return train_own(own, place / "run", recipe)


def test_it_tells_apart_what_it_learned_to(done: Trained) -> None:
    assert done.learned + len(done.dev) == 24
    assert done.figures == {"dev label": 1.0}
    checkpoint = open_checkpoint(done.folder)
    assert (checkpoint.name, [head["labels"] for head in checkpoint.heads]) == ("run", [["drug", "sign"]])
    with Annotator(checkpoint, "cpu") as annotator:
        (said,) = annotator.annotate("aspirin 99").classifications
    assert max(said.labels, key=lambda label: label.confidence).label == "drug"


def test_the_folder_tells_how_it_was_made(done: Trained, recipe: OwnRecipe) -> None:
    told = json.loads((done.folder.parent / "run.json").read_bytes())
    assert told["recipe"]["encoder_rate"] == recipe.encoder_rate
    assert told["base"]["given"] == recipe.base
    history = [json.loads(line) for line in (done.folder.parent / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in history] == list(range(5, done.config.steps + 1, 5))
    assert all("dev label" in line["dev"] for line in history)


def test_a_checkpoint_of_ours_is_a_base_as_well(
    place: Path, own: Own, recipe: OwnRecipe, done: Trained
) -> None:
    again = train_own(own, place / "again", recipe.changed(base=str(done.folder), encoder_rate=1e-5))
    assert again.figures == {"dev label": 1.0}
    assert open_checkpoint(again.folder).encoder.features == 128


def test_the_shipped_checkpoint_is_a_base_with_its_dictionary(
    place: Path, own: Own, recipe: OwnRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Progress) -> None:
        raise Cut

    monkeypatch.setattr("models.training.own.FeatureDictionary", lambda names: _Counted(names))
    with pytest.raises(Cut):
        train_own(own, place / "shipped", recipe.changed(base="shipped", epochs=0.1), stop)
    assert _Counted.names > 1000


class _Counted:
    names = 0

    def __init__(self, names: list[tuple[str, str]]) -> None:
        _Counted.names = len(names)

    def mark(self, *_: object) -> None:
        pass

    def masks(self, text: str, starts: object, ends: object) -> object:
        from models.features import FeatureDictionary

        return FeatureDictionary([]).masks(text, starts, ends)  # type: ignore[arg-type]


def test_a_folder_of_another_run_is_not_gone_on_with(
    place: Path, own: Own, recipe: OwnRecipe, done: Trained
) -> None:
    with pytest.raises(CheckpointError, match="holds a run on other texts or settings"):
        train_own(own, place / "run", recipe.changed(seed=2))
    assert train_own(own, place / "run", recipe).figures == done.figures


def test_a_run_goes_on_when_the_program_has_changed(
    place: Path, own: Own, recipe: OwnRecipe, done: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer(path: str) -> Checkpoint:
        return replace(open_checkpoint(path), fingerprint="of other code")

    monkeypatch.setattr("models.training.own.open_checkpoint", newer)
    assert train_own(own, place / "run", recipe).figures == done.figures


def test_heads_without_labels_are_refused(place: Path, own: Own, recipe: OwnRecipe) -> None:
    with pytest.raises(CheckpointError, match="no labels for the heads entities, relations"):
        train_own(own, place / "none", recipe.changed(heads=["entities", "relations"]))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("epochs = 0", "epochs"),
        ("epocs = 3", "epocs"),
        ("base = 3", "base"),
        ('heads = ["entites"]', "no head is called entites"),
        ("not toml", "is no training configuration"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=why) as refused:
        read_own_recipe(path)
    assert "\n" not in str(refused.value)
    with pytest.raises(CheckpointError):
        read_own_recipe(tmp_path / "none.toml")


def test_settings_are_written_as_they_are_read(tmp_path: Path, recipe: OwnRecipe) -> None:
    path = tmp_path / "own.toml"
    written = recipe.changed(labels=['a "b"', "ü"], name="x\ny", encoder_rate=1e-7)
    path.write_text(written.as_toml(), encoding="utf-8")
    assert read_own_recipe(path) == written


def test_accumulated_batches_make_fewer_steps(own: Own) -> None:
    many = OwnRecipe(epochs=5000)
    one, four = (train_config(many.changed(accumulate=n), own.train) for n in (1, 4))
    assert four.steps == pytest.approx(one.steps / 4, abs=1)
