"""The benchmark's texts: lengths that follow the mixture, exactly, and what a token of them costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from models.bench import mixture
from models.checkpoint import open_checkpoint
from models.shape import EncoderConfig
from tests.checkpoints import TEXT, huggingface_folder

BERT_BASE = EncoderConfig(28_996, 768, 12, 12, 3072)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return open_checkpoint(huggingface_folder(tmp_path_factory.mktemp("tiny"))).tokenizer


def count(text: str, tokenizer: Tokenizer) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def test_lengths_are_lognormal_around_the_known_mean_and_median() -> None:
    lengths = mixture.quantiles()
    assert len(lengths) == 16
    assert sum(lengths) / 16 == pytest.approx(205, abs=3)
    assert (lengths[7] + lengths[8]) / 2 == pytest.approx(174, abs=3)
    assert min(lengths) >= 8
    assert max(lengths) <= 512


def test_every_group_has_every_quantile_in_an_order_that_never_changes() -> None:
    lengths = mixture.lengths(4)
    groups = [lengths[i : i + 16] for i in range(0, 64, 16)]
    assert all(sorted(group) == mixture.quantiles() for group in groups)
    assert groups[0] != groups[1]
    assert lengths == mixture.lengths(4)


def test_texts_have_exactly_their_tokens(tokenizer: Tokenizer) -> None:
    items = mixture.items([TEXT, TEXT.upper(), "No fever."], tokenizer, groups=2)
    assert [item.tokens for item in items] == mixture.lengths(2)
    assert [count(item.text, tokenizer) + 2 for item in items] == mixture.lengths(2)


@given(text=st.text(alphabet="abc DEF.,é-😀\n", max_size=40), tokens=st.integers(0, 60))
def test_any_text_is_cut_to_any_number_of_tokens(text: str, tokens: int) -> None:
    tokenizer = small()
    assert count(mixture.cut(text, tokenizer, tokens), tokenizer) == tokens


def small(made: dict[str, Tokenizer] = {}) -> Tokenizer:  # noqa: B006  made once for all examples
    if not made:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            made["one"] = open_checkpoint(huggingface_folder(Path(folder))).tokenizer
    return made["one"]


def test_a_token_of_bert_base_costs_what_the_arithmetic_says() -> None:
    assert mixture.flop_per_token(BERT_BASE, [1]) == pytest.approx(169.9e6, rel=1e-3)
    assert mixture.flop_per_token(BERT_BASE, [100, 100]) - 169.9e6 == pytest.approx(36_864 * 100, rel=0.02)
    assert mixture.flop_per_token(BERT_BASE, mixture.quantiles()) == pytest.approx(180.6e6, rel=0.01)


def test_padding_is_what_the_longest_of_a_batch_makes_of_the_others() -> None:
    assert mixture.padded_share([10, 10, 10, 10], 2) == 0
    assert mixture.padded_share([10, 30, 20, 20], 2) == pytest.approx(20 / 100)
    assert mixture.padded_share([10, 30, 20], 2) == pytest.approx(20 / 80)
