"""Checkpoints that become one, by their weights or by their probabilities; and what does not go together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from transformers import BertForTokenClassification

from models.annotator import Annotator
from models.checkpoint import Checkpoint, open_checkpoint
from models.errors import CheckpointError
from models.forward import Forward
from models.training.config import Held, Sizes, TrainConfig
from models.training.ensemble import Ensemble
from models.training.export import export, rewrite
from models.training.merge import merge, shares_of
from models.training.model import Model
from models.types import Annotation
from models.weights import load
from tests.checkpoints import TEXT, huggingface_folder, tiny
from tests.learned import SCHEME

CONFIG = TrainConfig(name="soup", version="1", corpora={}, held_out=Held("s", 0.1), window=40, overlap=8)


def trained(place: Path, seed: int, **shape: Any) -> Path:
    """With every kind of head, all weights random."""
    base = open_checkpoint(huggingface_folder(place / f"base-{seed}", "BertModel", seed=seed, **shape))
    torch.manual_seed(seed)
    model = Model(base, SCHEME, Sizes(8, 8, 8), torch.float32)
    for parameter in model.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return export(model, base, (), CONFIG, place / f"checkpoint-{seed}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merge")


@pytest.fixture(scope="module")
def parents(place: Path) -> list[Path]:
    return [trained(place, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def merged(place: Path, parents: list[Path]) -> Path:
    return merge(parents, place / "merged", [3, 1])


def weights(folder: Path) -> dict[str, Tensor]:
    encoder, heads = load(open_checkpoint(folder))
    modules = [encoder, *heads.spans, heads.assertion, heads.relations, *heads.classes]
    return {f"{n}.{k}": t for n, m in enumerate(modules) for k, t in m.state_dict().items()}  # type: ignore[union-attr]


def record(annotator: Annotator, text: str = TEXT) -> Annotation:
    with annotator:
        found = annotator.annotate(text)
    assert all(text[e.span.start : e.span.end] == e.text for e in found.entities)
    return found


def told(annotation: Annotation) -> dict[object, float]:
    """What was found, and how sure; ids differ from one fingerprint to another."""
    place = {e.id: (e.span, e.category) for e in annotation.entities}
    found: dict[object, float] = {(place[e.id], e.assertion): e.confidence for e in annotation.entities}
    found |= {(r.category, place[r.source], place[r.target]): r.confidence for r in annotation.relations}
    found |= {(p.span, p.category, "phi"): p.confidence for p in annotation.phi}
    return found | {(c.task, n.label): n.confidence for c in annotation.classifications for n in c.labels}


def test_what_was_trained_says_what_its_confidences_are_about(parents: list[Path]) -> None:
    heads = {head["name"]: head for head in open_checkpoint(parents[0]).heads}
    assert heads["entities"]["exact"]
    assert heads["entities"]["alike"] == [["DISEASE", "SIGN_OR_SYMPTOM"]]
    assert "exact" not in heads["phi"]


# --- weights ----------------------------------------------------------------------------------------


def test_every_weight_is_the_weighted_mean(parents: list[Path], merged: Path) -> None:
    one, two, both = map(weights, (*parents, merged))
    assert one.keys() == both.keys()
    for name, tensor in both.items():
        wanted = 0.75 * one[name] + 0.25 * two[name]
        assert torch.allclose(tensor, wanted, atol=float(wanted.abs().max()) / 100), name


def test_a_merged_checkpoint_annotates_and_names_its_parents(parents: list[Path], merged: Path) -> None:
    opened = open_checkpoint(merged)
    assert record(Annotator(opened, "cpu")).pipeline.name == "soup"
    assert opened.version == "merged 1"
    manifest = json.loads((merged / "manifest.json").read_text())
    assert [(p["fingerprint"], p["weight"]) for p in manifest["merged"]] == [
        (open_checkpoint(parents[0]).fingerprint, 0.75),
        (open_checkpoint(parents[1]).fingerprint, 0.25),
    ]
    assert manifest["training"] == {"held_out": {"seed": "s", "share": 0.1}}
    assert "figures" not in manifest
    assert opened.fingerprint not in {open_checkpoint(path).fingerprint for path in parents}


def test_of_one_that_counts_alone_comes_what_it_was(parents: list[Path], tmp_path: Path) -> None:
    same = merge(parents, tmp_path / "same", [1, 0], name="other")
    mine, theirs = weights(same), weights(parents[0])
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert open_checkpoint(same).name == "other"


def test_thresholds_are_averaged_curves_and_figures_left_out(parents: list[Path], tmp_path: Path) -> None:
    for number, parent in enumerate(parents):
        folder = Path(shutil.copytree(parent, tmp_path / str(number)))
        heads = json.loads((folder / "manifest.json").read_text())["heads"]
        for head in heads:
            if head["name"] == "topics":
                head["thresholds"] = [0.2 + 0.4 * number] * 3
            if head["name"] == "entities":
                head |= {"calibration": [1.5, 0.0], "least": {"DISEASE": 0.4}}
        source = {"name": f"data {number}", "licence": "CC0", "url": ""}
        changes = {"heads": heads, "figures": {"f1": 1}, "sources": [source]}
        rewrite(folder, changes | {"training": {"held_out": {"seed": str(number), "share": 0.1}}})
    merge([tmp_path / "0", tmp_path / "1"], tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    heads = {head["name"]: head for head in manifest["heads"]}
    assert heads["topics"]["thresholds"] == pytest.approx([0.4] * 3)
    assert not {"calibration", "least"} & heads["entities"].keys()
    assert [source["name"] for source in manifest["sources"]] == ["data 0", "data 1"]
    assert "training" not in manifest  # what was held out for one was learned from by the other


def test_hugging_faces_layout_is_merged_as_it_is(tmp_path: Path) -> None:
    parents = [huggingface_folder(tmp_path / str(seed), seed=seed) for seed in (1, 2)]
    out = merge(parents, tmp_path / "out")
    one, two, both = (load_file(path / "model.safetensors") for path in (*parents, out))
    assert all(torch.allclose(both[name], (one[name] + two[name]) / 2) for name in both)
    assert open_checkpoint(out).heads == open_checkpoint(parents[0]).heads
    assert BertForTokenClassification.from_pretrained(out).config.num_labels == 5
    assert len(json.loads((out / "merged.json").read_text())["merged"]) == 2


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=5).filter(lambda some: sum(some) > 1e-3))
def test_shares_keep_their_ratios_and_sum_to_one(given_weights: list[float]) -> None:
    shares = shares_of(given_weights, len(given_weights))
    assert sum(shares) == pytest.approx(1)
    assert [own * sum(given_weights) for own in shares] == pytest.approx(given_weights)


@pytest.mark.parametrize(
    ("given_weights", "count", "why"),
    [
        (None, 1, "name two checkpoints or more"),
        ([1.0], 2, "1 weights do not fit 2 checkpoints"),
        ([1.0, -1.0], 2, "0 or more"),
        ([0.0, 0.0], 2, "not all of them 0"),
        ([float("nan"), 1.0], 2, "0 or more"),
    ],
)
def test_weights_that_do_not_fit(given_weights: list[float] | None, count: int, why: str) -> None:
    with pytest.raises(CheckpointError, match=why):
        shares_of(given_weights, count)


def test_what_is_not_alike_is_refused_in_one_line(parents: list[Path], tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    tagger = huggingface_folder(tmp_path / "tagger")
    pickled = Path(shutil.copytree(tagger, tmp_path / "pickled"))
    (pickled / "model.safetensors").unlink()
    torch.save(load_file(tagger / "model.safetensors"), pickled / "pytorch_model.bin")
    odd: dict[str, tuple[Sequence[Path], str]] = {
        "different layouts": ([parents[0], tagger], "out"),
        "different trunk shapes": ([parents[0], trained(tmp_path, 3, num_hidden_layers=1)], "out"),
        "different label schemes": ([tagger, huggingface_folder(tmp_path / "l", labels=["O", "B-X"])], "out"),
        "different architectures": ([tagger, huggingface_folder(tmp_path / "m", "BertModel")], "out"),
        "different vocabularies": ([tagger, recased(tmp_path, tagger)], "out"),
        "is no safetensors file": ([tagger, pickled], "out"),
        "is there already": (parents, "taken"),
        "name two checkpoints": (parents[:1], "out"),
        "no such folder": ([tmp_path / "none" / "none" / "none", parents[0]], "out"),
    }
    for why, (folders, name) in odd.items():
        with pytest.raises(CheckpointError, match=why) as refused:
            merge(folders, tmp_path / name)
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def recased(place: Path, folder: Path) -> Path:
    """The same, but capitals count."""
    copy = Path(shutil.copytree(folder, place / "cased"))
    path = copy / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_lower_case": False}))
    return copy


# --- probabilities ------------------------------------------------------------------------------------


def test_two_of_a_kind_answer_as_one(parents: list[Path]) -> None:
    one = record(Annotator(open_checkpoint(parents[0]), "cpu"))
    two = record(Ensemble.of([parents[0], parents[0]], "cpu"))
    assert one.entities
    assert one.relations
    assert told(two) == pytest.approx(told(one), abs=2e-4)


def test_who_counts_alone_decides(parents: list[Path]) -> None:
    one, two = (record(Annotator(open_checkpoint(parent), "cpu")) for parent in parents)
    assert told(one) != told(two)
    assert told(record(Ensemble.of(parents, "cpu", [0, 1]))) == pytest.approx(told(two), abs=2e-4)


def test_probabilities_are_averaged_token_by_token_and_label_by_label(parents: list[Path]) -> None:
    opened = [open_checkpoint(path) for path in parents]
    window = np.arange(5, 12, dtype=np.int32), np.zeros(7, np.uint8)
    one, two = (Forward(own, "cpu")([window]) for own in opened)
    with Ensemble(opened, "cpu", [1, 3]) as ensemble:
        both = ensemble.told([window])
    for layer, first, second in zip(both.spans, one.spans, two.spans, strict=True):
        wanted = 0.25 * first.softmax(1) + 0.75 * second.softmax(1)
        assert torch.allclose(layer.softmax(1), wanted, atol=1e-5)
    kind, topics = both.classes
    wanted = 0.25 * one.classes[0].softmax(1) + 0.75 * two.classes[0].softmax(1)
    assert torch.allclose(kind.softmax(1), wanted, atol=1e-5)
    wanted = 0.25 * one.classes[1].sigmoid() + 0.75 * two.classes[1].sigmoid()
    assert torch.allclose(topics.sigmoid(), wanted, atol=1e-5)


def test_trunks_may_differ_and_notes_may_be_long(place: Path, parents: list[Path]) -> None:
    opened = [open_checkpoint(parents[0]), open_checkpoint(trained(place, 4, hidden_size=32))]
    text = "no chest pains takes aspirin and " * 40  # one passage of many windows
    found = record(Ensemble(opened, "cpu"), text)
    assert found.entities
    assert found.pipeline.name == "ensemble of soup"
    assert found.pipeline.fingerprint not in {own.fingerprint for own in opened}


def test_an_ensemble_of_other_labels_is_refused(parents: list[Path], tmp_path: Path) -> None:
    other: Checkpoint = tiny(tmp_path / "tiny")
    with pytest.raises(CheckpointError, match="different label schemes"):
        Ensemble([open_checkpoint(parents[0]), other], "cpu")
