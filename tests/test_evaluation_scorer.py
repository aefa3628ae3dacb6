"""The relations head of a tiny checkpoint, asked for pairs of gold entities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.checkpoint import open_checkpoint
from models.corpora.scheme import Labelled
from models.errors import CheckpointError
from models.evaluation.related import Candidate
from models.evaluation.scorer import HeadScorer
from models.heads.relations import Relations
from models.manifest import seal
from tests.annotated import labelled
from tests.checkpoints import streamer_folder, tiny

CAUSES, TREATS = "CAUSES", "TREATS"
HEAD = {
    "name": "relations",
    "kind": "relations",
    "hidden": 8,
    "kinds": ["PROBLEM", "DRUG"],
    "relations": [[CAUSES, ["PROBLEM"], ["DRUG"]], [TREATS, ["DRUG"], ["PROBLEM"]]],
    "reach": 3,
    "nearest": 1,
    "thresholds": [0.9, 0.9],
}
TEXT = "the patient has pain and fever and takes aspirin"
PAIN, FEVER, ASPIRIN = (16, 20), (25, 30), (41, 48)
PADDING = " the" * 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that sees 96 tokens, with a random head for relations."""
    folder = streamer_folder(tmp_path_factory.mktemp("scorer"))
    manifest = json.loads((folder / "manifest.json").read_text())
    torch.manual_seed(3)
    head = Relations.build(manifest["encoder"]["hidden_size"], HEAD)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.4)
    tensors = load_file(folder / "weights.safetensors")
    tensors |= {f"heads.relations.{name}": tensor for name, tensor in head.state_dict().items()}
    save_file(tensors, folder / "weights.safetensors")
    seal(folder, {**manifest, "heads": [*manifest["heads"], HEAD]})
    return folder


@pytest.fixture(scope="module")
def scorer(folder: Path) -> HeadScorer:
    return HeadScorer(open_checkpoint(folder), "cpu", "fp32")


def spans(*places: tuple[tuple[int, int], str], by: int = 0) -> list[Labelled]:
    return [labelled(start + by, end + by, kind) for (start, end), kind in places]


def told(found: list[Candidate]) -> list[tuple[str, int, int]]:
    return sorted((own.category, own.source, own.target) for own in found)


def test_every_pair_that_a_relation_joins_is_scored_once_however_far_apart(scorer: HeadScorer) -> None:
    found = scorer.score(TEXT, spans((PAIN, "PROBLEM"), (FEVER, "PROBLEM"), (ASPIRIN, "DRUG")))
    assert told(found) == [(CAUSES, 0, 2), (CAUSES, 1, 2), (TREATS, 2, 0), (TREATS, 2, 1)]
    assert len({own.confidence for own in found}) == 4
    assert all(0 < own.confidence < 1 for own in found)


def test_a_span_is_what_the_head_knows_of_what_it_may_be(scorer: HeadScorer) -> None:
    found = scorer.score(TEXT, spans((PAIN, "AGE"), (FEVER, "PROBLEM/SIGN"), (ASPIRIN, "DRUG")))
    assert told(found) == [(CAUSES, 1, 2), (TREATS, 2, 1)]
    assert scorer.score(TEXT, spans((PAIN, "PROBLEM"), (FEVER, "PROBLEM"))) == []
    assert scorer.score(TEXT, spans((PAIN, "PROBLEM"))) == []
    assert scorer.score("", []) == []


def test_it_says_what_the_head_says_while_it_reads_a_note(folder: Path, scorer: HeadScorer) -> None:
    near = "pain has aspirin"
    (found,) = (c for c in scorer.score(near, spans(((0, 4), "PROBLEM"), ((9, 16), "DRUG"))) if c.source == 0)
    head = scorer._head
    pieces = open_checkpoint(folder).tokenizer.encode(near, add_special_tokens=False).ids
    passage = np.array(pieces, np.int32), np.zeros(len(pieces), np.uint8)
    with torch.inference_mode():
        projected = head.project(scorer._forward([passage]).hidden.float())
        places = np.array([[1, 2], [3, 4]], np.int32)
        one, kinds = np.zeros(2, np.int32), np.array([0, 1], np.int32)
        head.thresholds, before = np.zeros(2, np.float32), head.thresholds
        rows, sure = head.read(projected, places, kinds, one)
        head.thresholds = before
    by = dict(zip(map(tuple, rows.tolist()), sure.tolist(), strict=True))
    assert found.confidence == pytest.approx(by[0, 1, 0], abs=1e-6)


def test_a_long_document_is_read_in_windows_and_each_pair_is_said_once(scorer: HeadScorer) -> None:
    again = len(TEXT) + len(PADDING) + 1
    text = f"{TEXT}{PADDING} {TEXT}"
    first = spans((PAIN, "PROBLEM"), (ASPIRIN, "DRUG"))
    found = scorer.score(text, first + spans((PAIN, "PROBLEM"), (ASPIRIN, "DRUG"), by=again))
    pairs = told(found)
    assert len(set(pairs)) == len(pairs)
    assert {(CAUSES, 0, 1), (CAUSES, 2, 3)} <= set(pairs)
    longer = f"{TEXT}{PADDING}{PADDING} {TEXT}"
    far = scorer.score(longer, first + spans((PAIN, "PROBLEM"), (ASPIRIN, "DRUG"), by=again + len(PADDING)))
    assert told(far) == [(CAUSES, 0, 1), (CAUSES, 2, 3), (TREATS, 1, 0), (TREATS, 3, 2)]


def test_of_several_windows_the_surest_counts(scorer: HeadScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [Candidate(CAUSES, 0, 1, 0.3), Candidate(CAUSES, 0, 1, 0.6), Candidate(CAUSES, 0, 1, 0.5)]
    monkeypatch.setattr(scorer, "_windows", lambda text, spans: said)
    assert scorer.score(TEXT, []) == [Candidate(CAUSES, 0, 1, 0.6)]


def test_a_checkpoint_without_the_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no head for relations"):
        HeadScorer(tiny(tmp_path), "cpu", "fp32")
