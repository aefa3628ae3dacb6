"""What pre-training learns from: which pieces are hidden, which parts are paired, which batch comes when."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from models.training.masking import NOT_ASKED, Blocks, Masked, Pairs, Vocabulary, drawn, masked
from tests.checkpoints import huggingface_folder
from tests.raw_notes import SENTENCES, TEXTS


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    base = huggingface_folder(tmp_path_factory.mktemp("masking") / "base", "BertModel")
    return Vocabulary(AutoTokenizer.from_pretrained(base))


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
