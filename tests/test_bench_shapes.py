"""Folders of weights for the benchmark: what others read there is the same trunk that we read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.bench import shapes
from models.checkpoint import open_checkpoint
from models.shape import EncoderConfig
from models.weights import load, load_encoder
from tests.checkpoints import TEXT, huggingface_folder, tiny

SMALL = EncoderConfig(60, 32, 2, 2, 64, 96)


def test_ours_as_others_read_it_gives_the_same_hidden_states_and_tags(tmp_path: Path) -> None:
    ours = tiny(tmp_path / "ours")
    theirs = open_checkpoint(shapes.twin(ours, tmp_path / "cache"))
    assert theirs.layout == "huggingface"
    ids = torch.tensor(ours.tokenizer.encode(TEXT, add_special_tokens=False).ids)
    assert theirs.tokenizer.encode(TEXT, add_special_tokens=False).ids == ids.tolist()
    with torch.inference_mode():
        states = [load_encoder(one)(ids, [len(ids)]) for one in (ours, theirs)]
        assert torch.equal(*states)
        tags = [load(one)[1].spans[0].project(states[0]) for one in (ours, theirs)]
    assert len(tags) == 2
    assert torch.equal(*tags)


def test_a_folder_of_others_stays_as_it_is(tmp_path: Path) -> None:
    theirs = open_checkpoint(huggingface_folder(tmp_path / "theirs"))
    assert shapes.twin(theirs, tmp_path / "cache") == theirs.folder
    assert not (tmp_path / "cache").exists()


def test_random_weights_have_the_shape_are_made_once_and_never_by_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tiny(tmp_path / "ours").tokenizer
    folder = shapes.bert_base(tmp_path / "cache", tokenizer, SMALL)
    checkpoint = open_checkpoint(folder)
    assert checkpoint.encoder == SMALL
    assert checkpoint.tokenizer.get_vocab_size() == SMALL.vocab_size
    encoder, _ = load(checkpoint)
    assert encoder.words.weight.std() == pytest.approx(0.02, rel=0.1)
    monkeypatch.setattr(shapes, "save_file", _no_space)
    assert shapes.bert_base(tmp_path / "cache", tokenizer, SMALL) == folder
    with pytest.raises(OSError, match="no space"):
        shapes.bert_base(tmp_path / "cache", tokenizer, replace(SMALL, hidden_size=64))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name]


def _no_space(*_: object) -> None:
    raise OSError("no space left")
