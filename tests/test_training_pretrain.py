"""Continued pre-training on a tiny base: what is hidden, what is paired, what is learned, what comes out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertForMaskedLM, BertForPreTraining

from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.training.masking import NOT_ASKED, Blocks, Masked, Pairs, Vocabulary, drawn, masked
from models.training.pretrain import PretrainConfig, Pretrained, pretrain, split
from models.training.progress import Progress
from models.training.raw_texts import read_raw
from models.weights import load_encoder
from tests.checkpoints import huggingface_folder, tiny, vocabulary

CONFIG = PretrainConfig(
    tokens=2000, batch_tokens=160, window=32, warm_up=2, save_every=4, threads=1, mixed=False, rate=2e-3
)
SENTENCES = (
    "The patient has fever.", "No chest pains.", "He takes aspirin.", "She denies pain.", "Left is the pain.",
)  # fmt: skip
TEXTS = tuple(f"{SENTENCES[i % 5]} {SENTENCES[(i + 1) % 5]} {SENTENCES[(i * i) % 5]} {i}" for i in range(60))


class Cut(Exception):
    """Stands in for a power cut."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("pretrain") / "base", "BertModel")


@pytest.fixture(scope="module")
def words(base: Path) -> Vocabulary:
    return Vocabulary(AutoTokenizer.from_pretrained(base))


def trained(
    base: Path, folder: Path, config: PretrainConfig = CONFIG, stop_at: int = 0
) -> tuple[Pretrained, list[Progress]]:
    seen: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == stop_at:
            raise Cut

    return pretrain(TEXTS, str(base), folder, config, on_progress), seen


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


# --- what is learned from -----------------------------------------------------------------------------


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


def batches(words: Vocabulary, kind: type[Blocks] | type[Pairs], texts: list[str], seed: int) -> list[Masked]:
    windows = kind(texts, words, 32)
    size = min(3, len(windows))
    return [own for own, _ in zip(drawn(windows, words, size, 0.3, seed), range(4), strict=False)]


texts = st.lists(
    st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=6
)


@settings(deadline=None, max_examples=50)
@given(texts, st.integers(0, 9), st.sampled_from((Blocks, Pairs)))
def test_whole_words_are_hidden_and_nothing_else_changes(
    words: Vocabulary, texts: list[str], seed: int, kind: type[Blocks] | type[Pairs]
) -> None:
    starts = {n for piece, n in words.fast.get_vocab().items() if not piece.startswith("##")}
    for shown in batches(words, kind, texts, seed):
        for ids, wanted in zip(shown.ids.tolist(), shown.wanted.tolist(), strict=True):
            before = [now if was == NOT_ASKED else was for now, was in zip(ids, wanted, strict=True)]
            assert not {words.cls, words.sep, words.pad} & {was for was in wanted if was != NOT_ASKED}
            assert before[0] == words.cls
            for at in range(1, len(before)):
                cut = before[at - 1] in (words.cls, words.sep)  # a window may start within a word
                if before[at] not in starts and not cut:
                    assert (wanted[at] == NOT_ASKED) == (wanted[at - 1] == NOT_ASKED)


def test_of_what_is_hidden_most_is_a_mask_and_a_tenth_stays(words: Vocabulary) -> None:
    windows = Blocks(list(TEXTS) * 20, words, 32)
    shown = masked(windows, words, np.arange(len(windows)), 0.15, [1])
    hidden = shown.wanted >= 0
    places = hidden.sum().item()
    assert hidden.float().mean() == pytest.approx(0.15, abs=0.02)
    assert (shown.ids == words.mask).sum() / places == pytest.approx(0.8, abs=0.03)
    assert (shown.ids == shown.wanted)[hidden].sum() / places == pytest.approx(0.1, abs=0.03)


@settings(deadline=None, max_examples=50)
@given(texts, st.integers(0, 9))
def test_a_second_part_follows_or_comes_from_another_text(
    words: Vocabulary, texts: list[str], seed: int
) -> None:
    streams = [next(words.tokenised([text])) for text in texts]
    for shown in batches(words, Pairs, texts, seed):
        assert shown.second is not None
        assert shown.real is not None
        assert shown.other is not None
        assert shown.ids.shape[1] <= 32
        for row, other in enumerate(shown.other.tolist()):
            real = shown.real[row]
            ids = torch.where(shown.wanted[row] >= 0, shown.wanted[row], shown.ids[row])[real].tolist()
            assert (shown.ids[row][~real] == words.pad).all()
            at = int((shown.second[row] == 0)[real].sum())
            first, second = ids[1 : at - 1], ids[at:-1]
            assert ids[at - 1] == words.sep
            if other == NOT_ASKED:
                assert not second
                assert any(holds(stream, first) for stream in streams)
            elif other == 0:
                assert any(holds(stream, first + second) for stream in streams)
            else:
                assert any(
                    holds(one, first) and holds(two, second)
                    for i, one in enumerate(streams)
                    for j, two in enumerate(streams)
                    if i != j
                )


def holds(stream: list[int], part: list[int]) -> bool:
    return any(stream[at : at + len(part)] == part for at in range(len(stream) - len(part) + 1))


def test_half_of_the_pairs_do_not_belong_together(words: Vocabulary) -> None:
    windows = Pairs(TEXTS, words, 32)
    _, _, _, other = windows.rows(np.arange(len(windows)).repeat(10), np.random.default_rng(1))
    asked = other[other != NOT_ASKED]
    assert asked.mean() == pytest.approx(0.5, abs=0.06)


def test_batches_go_on_where_they_were_left(words: Vocabulary) -> None:
    windows = Blocks(TEXTS, words, 32)
    whole = [own for own, _ in zip(drawn(windows, words, 3, 0.15, 1), range(40), strict=False)]
    rest = [own for own, _ in zip(drawn(windows, words, 3, 0.15, 1, skip=25), range(15), strict=False)]
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(whole[25:], rest, strict=True))


def test_the_texts_of_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("First note.\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "Second"}\n\n{"id": 1}\nnot json\n{"text": "Second"}\n')
    (tmp_path / "sub" / "c.csv").write_text('id;Note\n1;"Third; with\nlines"\n2;\n', encoding="utf-8")
    (tmp_path / "sub" / "d.tsv").write_text("text\tlabel\nFourth\tx\n")
    (tmp_path / "README.md").write_text("not read")
    (tmp_path / ".hidden.txt").write_text("not read")
    found = read_raw([tmp_path])
    assert found.texts == ("First note.\n", "Second", "Third; with\nlines", "Fourth")
    assert found.repeated == 1
    assert found.characters == sum(map(len, found.texts))
    assert [f"{p.path.name}:{p.line}: {p.what}" for p in found.problems] == [
        'b.jsonl:3: is no JSON object with a "text"',
        "b.jsonl:4: is not valid JSON",
        "c.csv:4: has no text",
    ]
    assert "First" not in repr(found)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"\xff\xfea\0", "is not UTF-8 but looks like UTF-16"),
        ("a.txt", b"  \n", "holds no text"),
        ("a.csv", b"id,words\n1,x\n", "has no column named text"),
        ("a.csv", b'text\n"never ends\n', "a quoted field that starts here does not end"),
        ("a.pdf", b"x", "has an unknown ending"),
        ("", b"", "is neither a file nor a folder"),
    ],
)
def test_what_is_no_text_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / (name or "missing")
    if name:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=told):
        read_raw([path])


def test_a_perplexity_is_that_of_guessing_where_nothing_is_known(base: Path, tmp_path: Path) -> None:
    done, _ = trained(base, tmp_path, msgspec.structs.replace(CONFIG, tokens=160, rate=1e-9, head_rate=1e-9))
    assert done.after.value == pytest.approx(done.before.value, rel=1e-3)
    assert math.isfinite(done.before.value)
