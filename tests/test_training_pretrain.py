"""Continued pre-training on a tiny base: what is learned, what is kept aside, what comes out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import BertForMaskedLM, BertForPreTraining

from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.training.pretrain import PretrainConfig, Pretrained, pretrain, split
from models.training.progress import Progress
from models.weights import load_encoder
from tests.checkpoints import huggingface_folder, tiny, vocabulary
from tests.power_cut import Cut, Seen
from tests.raw_notes import TEXTS

CONFIG = PretrainConfig(
    tokens=2000, batch_tokens=160, window=32, warm_up=2, save_every=4, threads=1, mixed=False, rate=2e-3
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("pretrain") / "base", "BertModel")


def trained(
    base: Path, folder: Path, config: PretrainConfig = CONFIG, stop_at: int = 0
) -> tuple[Pretrained, list[Progress]]:
    seen = Seen(stop_at)
    return pretrain(TEXTS, str(base), folder, config, seen), seen


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pretrained, list[Progress]]:
    return trained(base, tmp_path_factory.mktemp("pretrain") / "out")


@pytest.fixture(scope="module")
def paired(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    config = msgspec.structs.replace(CONFIG, next_sentence=True)
    return trained(base, tmp_path_factory.mktemp("pretrain") / "pairs", config)[0]


# --- the run ----------------------------------------------------------------------------------------


def test_what_was_never_seen_surprises_less(finished: tuple[Pretrained, list[Progress]]) -> None:
    done, seen = finished
    assert [p.step for p in seen] == list(range(1, CONFIG.steps + 1))
    assert seen[-1].loss < seen[0].loss
    assert seen[-1].eta == 0
    assert done.before.hidden == done.after.hidden > 0
    assert done.after.value < done.before.value / 2
    assert done.fresh
    assert done.before.next_sentence is None
    told = json.loads((done.folder.parent / "pretraining.json").read_text())
    assert told["after"]["value"] == done.after.value
    assert told["config"]["seed"] == 1
    assert done.texts + done.held_out == len(TEXTS)


def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    base: Path, finished: tuple[Pretrained, list[Progress]], tmp_path: Path
) -> None:
    with pytest.raises(Cut):
        trained(base, tmp_path, stop_at=6)
    done, seen = trained(base, tmp_path)
    assert seen[0].step == 5  # step 4 was the last one saved
    whole, cut = (load_file(p / "model.safetensors") for p in (finished[0].folder, done.folder))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert (done.before, done.after) == (finished[0].before, finished[0].after)


def test_a_folder_of_another_run_is_not_gone_on_with(base: Path, tmp_path: Path) -> None:
    with pytest.raises(Cut):
        trained(base, tmp_path, stop_at=5)
    with pytest.raises(CheckpointError, match="other texts or settings; name another folder"):
        trained(base, tmp_path, msgspec.structs.replace(CONFIG, seed=2))


def test_what_comes_out_is_a_base_and_a_bert_like_any_other(
    base: Path, finished: tuple[Pretrained, list[Progress]]
) -> None:
    folder = finished[0].folder
    opened = open_checkpoint(folder)
    encoder = load_encoder(opened)
    assert not torch.equal(encoder.words.weight, load_encoder(open_checkpoint(base)).words.weight)
    pieces = [
        own.tokenizer.encode(TEXTS[0], add_special_tokens=False).ids
        for own in (opened, open_checkpoint(base))
    ]
    assert pieces[0] == pieces[1]
    model = BertForMaskedLM.from_pretrained(folder)
    assert model.config.hidden_dropout_prob == 0.1  # as it came
    assert (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1] == vocabulary()


def test_the_next_sentence_is_learned_with_the_pooler(base: Path, paired: Pretrained) -> None:
    before, after = (
        BertForPreTraining.from_pretrained(f).bert.pooler.dense.weight for f in (base, paired.folder)
    )
    assert not torch.equal(before, after)
    assert paired.after.next_sentence is not None
    assert 0 <= paired.after.next_sentence <= 1
    assert paired.after.value < paired.before.value / 2
    open_checkpoint(paired.folder)


def test_nothing_is_said_on_the_way(base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trained(base, tmp_path, msgspec.structs.replace(CONFIG, tokens=320))
    assert capfd.readouterr() == ("", "")


def test_a_run_without_length_reads_the_texts_ten_times(base: Path, tmp_path: Path) -> None:
    done = pretrain(TEXTS[:12], str(base), tmp_path, msgspec.structs.replace(CONFIG, tokens=0))
    config = json.loads((tmp_path / "pretraining.json").read_text())["config"]
    assert done.steps == config["tokens"] // CONFIG.batch_tokens
    assert config["tokens"] % 10 == 0


def test_too_little_text_no_bert_and_a_rate_too_high_are_told(base: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="fewer than one batch of 160; bring more text"):
        pretrain(["fever", "pain"], str(base), tmp_path / "a", CONFIG)
    with pytest.raises(CheckpointError, match="our own layout; name the BERT"):
        pretrain(TEXTS, str(tiny(tmp_path / "own").folder), tmp_path / "b", CONFIG)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(CheckpointError, match="is a gpt2"):
        pretrain(TEXTS, str(tmp_path / "none"), tmp_path / "c", CONFIG)
    wild = msgspec.structs.replace(CONFIG, rate=1e30, head_rate=1e30, warm_up=1)
    with pytest.raises(CheckpointError, match="start anew with a lower rate"):
        pretrain(TEXTS, str(base), tmp_path / "d", wild)


def test_a_perplexity_is_that_of_guessing_where_nothing_is_known(base: Path, tmp_path: Path) -> None:
    done, _ = trained(base, tmp_path, msgspec.structs.replace(CONFIG, tokens=160, rate=1e-9, head_rate=1e-9))
    assert done.after.value == pytest.approx(done.before.value, rel=1e-3)
    assert math.isfinite(done.before.value)


# --- what is kept aside -----------------------------------------------------------------------------


def test_about_two_per_cent_are_kept_whatever_the_order() -> None:
    texts = [f"text {number} " + "word " * (number % 7) for number in range(500)]
    learned, held = split(texts, 1)
    assert sorted(learned + held) == sorted(texts)
    assert 0.015 < sum(map(len, held)) / sum(map(len, texts)) < 0.03
    assert sorted(split(texts[::-1], 1)[1]) == sorted(held)
    assert sorted(split(texts, 2)[1]) != sorted(held)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
def test_both_sides_have_something(texts: list[str]) -> None:
    learned, held = split(texts, 1)
    assert learned
    assert held
    if len(texts) > 1:
        assert sorted(learned + held) == sorted(texts)
