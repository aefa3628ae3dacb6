"""New word pieces: which, what they start as, and that all that was there stays as it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertForMaskedLM, BertForPreTraining, BertModel

from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.training.pretrain import PretrainConfig, pretrain
from models.training.vocabulary import Extension, Words, chosen, extend
from models.weights import load_encoder
from tests.checkpoints import huggingface_folder, tiny, vocabulary

SAID = ("Stent in the left chest.", "A STENT, and cough.", "No stent; mild cough.")
TEXTS = tuple(f"{SAID[number % 3]} Rare{'ly' if number == 4 else ''} 12{number}." for number in range(9))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a head for hidden words, whose weights are random."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("vocabulary")
    model = BertForMaskedLM.from_pretrained(huggingface_folder(place / "trunk", "BertModel"))
    torch.nn.init.normal_(model.cls.predictions.bias)
    model.save_pretrained(place / "base")
    AutoTokenizer.from_pretrained(place / "trunk").save_pretrained(place / "base")
    return place / "base"


@pytest.fixture(scope="module")
def extended(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Extension:
    return extend(base, TEXTS, 2, tmp_path_factory.mktemp("vocabulary") / "out")


def test_the_words_that_save_most_become_pieces(extended: Extension) -> None:
    assert [(p.word, p.count, p.texts, len(p.old)) for p in extended.new] == [
        ("stent", 9, 9, 5),
        ("cough", 6, 6, 5),
    ]
    assert extended.new[0].saved == 36
    assert extended.after < extended.before
    listed = (extended.folder / "new-pieces.tsv").read_text().splitlines()
    assert listed[1] == "stent\t9\t9\ts ##t ##e ##n ##t"


def test_old_pieces_keep_their_numbers_and_new_ones_come_last(base: Path, extended: Extension) -> None:
    old, new = (open_checkpoint(folder).tokenizer for folder in (base, extended.folder))
    size = len(vocabulary())
    assert new.get_vocab() == old.get_vocab() | {"stent": size, "cough": size + 1}
    assert new.encode("the Stents cough", add_special_tokens=False).tokens == ["the", "stent", "##s", "cough"]
    assert "stent" not in old.encode("xstent").tokens
    assert new.encode("xstent", add_special_tokens=False).tokens == ["x", *(f"##{c}" for c in "stent")]
    assert (extended.folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[size] == "stent"


def test_a_new_piece_starts_as_the_mean_of_its_old_ones(base: Path, extended: Extension) -> None:
    before, after = (BertForMaskedLM.from_pretrained(folder) for folder in (base, extended.folder))
    number = len(vocabulary())
    old = list(extended.new[0].old)
    for name in ("bert.embeddings.word_embeddings.weight", "cls.predictions.bias"):
        was, now = before.state_dict()[name], after.state_dict()[name]
        assert torch.equal(now[:number], was)
        assert torch.allclose(now[number], was[old].mean(0))
    assert after.get_output_embeddings().weight is after.get_input_embeddings().weight
    ids = torch.tensor([[2, 12, 15, 3]])  # nothing new in it: all is read as before
    with torch.no_grad():
        assert torch.allclose(before.bert(ids)[0], after.bert(ids)[0])


def test_what_comes_out_is_a_base_to_train_and_to_pretrain(extended: Extension, tmp_path: Path) -> None:
    size = len(vocabulary()) + 2
    assert load_encoder(open_checkpoint(extended.folder)).words.weight.shape[0] == size
    assert BertModel.from_pretrained(extended.folder).config.vocab_size == size
    config = PretrainConfig(tokens=64, batch_tokens=32, window=16, mixed=False, threads=1)
    done = pretrain(TEXTS, str(extended.folder), tmp_path, config)
    assert not done.fresh  # its head for hidden words came along
    assert open_checkpoint(done.folder).encoder.vocab_size == size


def test_other_heads_come_along(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "tagger", "BertForTokenClassification")
    out = extend(folder, TEXTS, 1, tmp_path / "out").folder
    assert open_checkpoint(out).heads == open_checkpoint(folder).heads
    pretraining = BertForPreTraining.from_pretrained(huggingface_folder(tmp_path / "trunk", "BertModel"))
    pretraining.save_pretrained(tmp_path / "trunk")
    assert BertForPreTraining.from_pretrained(extend(tmp_path / "trunk", TEXTS, 1, tmp_path / "b").folder)


def test_free_rows_are_used_before_new_ones_are_made(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "trunk", "BertModel")
    model = BertModel.from_pretrained(folder)
    model.resize_token_embeddings(len(vocabulary()) + 8, mean_resizing=False)
    model.save_pretrained(folder)
    out = extend(folder, TEXTS, 2, tmp_path / "out").folder
    assert open_checkpoint(out).encoder.vocab_size == len(vocabulary()) + 8


def test_nothing_to_add_and_no_bert_are_told(base: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no word of the texts falls into 3 pieces"):
        extend(base, ["the patient has fever"] * 9, 5, tmp_path / "a")
    with pytest.raises(CheckpointError, match="no word of the texts"):
        extend(base, ["a name like Kowalczyk in one text"], 5, tmp_path / "b")
    with pytest.raises(CheckpointError, match="our own layout"):
        extend(tiny(tmp_path / "own").folder, TEXTS, 5, tmp_path / "c")
    assert not (tmp_path / "a").exists()


def test_no_word_is_shown_where_it_is_not_asked_for(extended: Extension) -> None:
    assert "stent" not in repr(extended)
    assert "stent" not in repr(Words(Counter(stent=1), Counter(stent=1)))


words = st.text(st.sampled_from("abcdeé9-"), min_size=1, max_size=6)


@given(st.lists(st.lists(words, max_size=8).map(" ".join), max_size=12), st.integers(0, 5))
def test_what_is_chosen_is_whole_words_of_several_texts(
    plain: Tokenizer, texts: list[str], count: int
) -> None:
    counted = Words.of(texts, plain)
    new = chosen(counted, plain, count)
    assert len(new) <= count
    assert [p.saved for p in new] == sorted((p.saved for p in new), reverse=True)
    for piece in new:
        assert len(piece.old) >= 3
        assert piece.word.isalpha()
        holding = [text for text in texts if piece.word in _cut(text)]
        assert piece.texts == len(holding) >= 5
        assert piece.count == sum(_cut(text).count(piece.word) for text in texts)


def _cut(text: str) -> list[str]:
    return text.replace("é", "e").replace("-", " - ").split()


@pytest.fixture(scope="module")
def plain(base: Path) -> Tokenizer:
    return open_checkpoint(base).tokenizer
