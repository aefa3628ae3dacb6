"""What is lost of F1 by storing and computing less exactly is measured, and stands in the manifest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.checkpoint import open_checkpoint
from models.evaluation import run as evaluation
from models.evaluation.selection import from_manifest
from models.manifest import seal
from models.training import precisions
from models.training.config import Held, TrainConfig
from models.weights import load, save_quantised
from tests.checkpoints import huggingface_folder
from tests.corpora import data_root

pytestmark = pytest.mark.usefixtures("home")

LABELS = ("O", "B-DISEASE", "I-DISEASE", "B-MEDICATION", "I-MEDICATION")
CORPORA = {"bc5cdr": 1.0, "phee": 1.0}
EVERYTHING = TrainConfig(name="tiny", version="1", corpora=CORPORA, held_out=Held("s", 1.0))
NOTHING = TrainConfig(name="tiny", version="1", corpora=CORPORA, held_out=Held("s", 0.0))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_root(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    """A checkpoint all of whose matrices are int8, and its weights before that."""
    source = open_checkpoint(huggingface_folder(tmp_path_factory.mktemp("source"), labels=LABELS))
    encoder, heads = load(source)
    (spans,) = heads.spans
    exact = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    exact |= {f"heads.tokens.{name}": t for name, t in spans.state_dict().items()}  # type: ignore[attr-defined]
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.weights.QUANTISED_FROM", 1)
        save_quantised(exact, folder / "weights.safetensors")
    source.tokenizer.save(str(folder / "tokenizer.json"))
    shape = {name: getattr(source.encoder, name) for name in source.encoder.__dataclass_fields__}
    manifest = {"name": "tiny", "version": "1", "encoder": shape, "window": 34, "overlap": 8}
    seal(folder, manifest | {"heads": [dict(head) for head in source.heads]})
    return folder, exact


@pytest.fixture
def folder(trained: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained[0], tmp_path / "checkpoint"))


def test_the_storage_format_is_measured_against_the_exact_weights(
    folder: Path, trained: tuple[Path, dict[str, Tensor]], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, exact = trained
    read: list[dict[str, Tensor]] = []
    measure = evaluation.run

    def watched(checkpoint: Path, *args: object, **more: object) -> object:
        read.append(load_file(checkpoint / "weights.safetensors"))
        return measure(checkpoint, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "run", watched)
    measured = precisions.storage(folder, exact, data, EVERYTHING)
    whole, stored = read
    assert whole.keys() == exact.keys()
    assert all(torch.equal(whole[name], exact[name]) for name in exact)
    assert stored["encoder.words.weight"].dtype == torch.int8
    assert -100 <= measured["f1_loss"] <= 100
    assert measured["on"].startswith("12 entities of the documents of bc5cdr that were held out")
    assert from_manifest(open_checkpoint(folder), "storage") == measured


def test_what_was_added_after_training_stays_as_it_is(
    folder: Path, trained: tuple[Path, dict[str, Tensor]]
) -> None:
    _, exact = trained
    stored = load_file(folder / "weights.safetensors")
    without = {name: tensor for name, tensor in exact.items() if name != "encoder.words.weight"}
    precisions._restore(folder, without)
    now = load_file(folder / "weights.safetensors")
    assert torch.equal(now["encoder.words.weight"], stored["encoder.words.weight"])
    assert open_checkpoint(folder).weights_sha  # sealed anew


def test_what_int8_computing_loses_is_measured_where_it_runs(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions, "_runs_here", lambda folder, precision: True)
    measured = precisions.run(folder, data, EVERYTHING)
    assert measured.keys() == {"int8"}
    assert open_checkpoint(folder).precisions == measured
    monkeypatch.setattr(precisions, "_runs_here", lambda folder, precision: False)
    assert precisions.run(folder, data, EVERYTHING) == {}


def test_without_held_out_documents_nothing_is_known(
    folder: Path, trained: tuple[Path, dict[str, Tensor]], data: Path
) -> None:
    assert precisions.run(folder, data, NOTHING) == {}
    assert precisions.storage(folder, trained[1], data, NOTHING) == {}
    assert from_manifest(open_checkpoint(folder), "storage") == {}
