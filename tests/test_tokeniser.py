"""What is looked up is what the checkpoint's own tokenizer gives, whatever the text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers

from models import stretches, tokeniser
from models.checkpoint import DEFAULT, open_checkpoint
from models.features import FeatureDictionary
from models.tokeniser import SURROGATE, Tokeniser, Tokens
from tests.checkpoints import BIO, TEXT, huggingface_folder

NAMES = [("drug", "aspirin"), ("disease", "chest pain"), ("drug", "b-12")]
WORDS = (
    "pain", "Pain ", "chest pain", "ASPIRIN", "naïve", "e\u0301", "b-12", "[CLS]", "[SEP] ", "x" * 120, "\n",
    "  ", "\t", ".", ",the", "(no)", "81mg", "😀", "日本", "가", "≮", "İ", "\u0301", "\u200b", "\x00", "\x85",
    "\u2028", "\ud800", "##ing", "_", "½", "’s",
)  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), max_size=12).map("".join)


@pytest.fixture(scope="module")
def uncased() -> Tokenizer:
    return open_checkpoint(DEFAULT).tokenizer


@pytest.fixture(scope="module")
def cased(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = huggingface_folder(tmp_path_factory.mktemp("cased"), labels=BIO, cased=True)
    return open_checkpoint(folder).tokenizer


@pytest.fixture(params=["uncased", "cased"], scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    chosen: Tokenizer = request.getfixturevalue(request.param)
    return chosen


def check(tokenizer: Tokenizer, text: str, tokens: Tokens) -> None:
    clean = SURROGATE.sub("\ufffd", text)
    encoding = tokenizer.encode(clean, add_special_tokens=False)
    assert tokens.ids.tolist() == encoding.ids
    assert list(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)) == encoding.offsets
    masks = FeatureDictionary(NAMES).masks(clean, tokens.starts, tokens.ends)
    assert tokens.features.tolist() == masks.tolist()
    assert [tokens.ids.dtype, tokens.starts.dtype, tokens.features.dtype] == [
        *map(np.dtype, ("i4", "i4", "u1"))
    ]


@settings(max_examples=200, deadline=None)
@given(asked=st.lists(texts, max_size=5))
@example(asked=["", "\n", " pain", "pain ", "e", "\u0301"])
@example(asked=["no [CLS] here", "\ud800 pain", "x" * 120])
def test_every_text_gives_what_the_tokenizer_itself_gives(tokenizer: Tokenizer, asked: list[str]) -> None:
    made = Tokeniser(tokenizer, FeatureDictionary(NAMES))
    for _ in range(2):  # first learned, then looked up
        for text, tokens in zip(asked, made(asked), strict=True):
            check(tokenizer, text, tokens)


def test_a_text_is_looked_up_once_it_was_read(uncased: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Tokeniser(uncased, None)
    (first,) = made([TEXT])
    monkeypatch.setattr(made, "_ask", lambda text: pytest.fail("asked again"))
    (again,) = made([TEXT])
    assert again.ids.tolist() == first.ids.tolist()
    assert not again.features.any()


def test_what_is_no_word_is_not_remembered(uncased: Tokenizer) -> None:
    made = Tokeniser(uncased, None)
    long = "a" * (tokeniser.LONGEST + 1)
    for text, tokens in zip([long, "pain"], made([long, "pain"]), strict=True):
        assert tokens.ids.tolist() == uncased.encode(text, add_special_tokens=False).ids
    assert made._known is not None
    assert list(made._known.numbers) == ["pain"]


@pytest.mark.parametrize(("name", "most"), [("MOST", 30), ("MOST_PIECES", 60)])
def test_a_full_memory_starts_anew(
    uncased: Tokenizer, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(stretches, name, most)
    made = Tokeniser(uncased, FeatureDictionary(NAMES))
    asked = [f"word{n} aspirin {'and ' * (n % 3)}pain{n}" for n in range(100)]
    for text in asked:
        check(uncased, text, made([text])[0])
    for text, tokens in zip(asked, made(asked), strict=True):
        check(uncased, text, tokens)
    assert made._known is not None
    assert len(made._known.numbers) <= 30


def test_a_tokenizer_that_joins_over_blanks_is_asked_for_every_text(uncased: Tokenizer) -> None:
    other = Tokenizer.from_str(uncased.to_str())
    replaced: Any = normalizers.Sequence([normalizers.Replace("a b", "ab"), other.normalizer])
    other.normalizer = replaced
    (tokens,) = Tokeniser(other, FeatureDictionary(NAMES))(["x a b"])
    check(other, "x a b", tokens)


def test_threads_that_learn_at_once_read_rightly(uncased: Tokenizer) -> None:
    made = Tokeniser(uncased, FeatureDictionary(NAMES))
    asked = [[f"aspirin{n % 7}x{n} chest pain, {n * 31}"] for n in range(300)]
    with ThreadPoolExecutor(8) as threads:
        for texts, (tokens,) in zip(asked, threads.map(made, asked), strict=True):
            check(uncased, texts[0], tokens)


def test_no_text_no_tokens(uncased: Tokenizer) -> None:
    assert Tokeniser(uncased, None)([]) == []
