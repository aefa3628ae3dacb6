"""Feature masks: how a word is written, and which names begin and go on at a token."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import CheckpointError
from models.features import FEATURES, FeatureDictionary

TOKEN = re.compile(r"\w|[^\w\s]")
NAMES = [
    ("drug", "aspirin"), ("drug", "acetylsalicylic acid"), ("drug", "acid"),
    ("disease", "cancer"), ("disease", "Breast Cancer"), ("disease", "breast cancer of the skin"),
]  # fmt: skip


def tokens(
    text: str, pattern: re.Pattern[str] = re.compile(r"\w+|[^\w\s]")
) -> tuple[list[str], NDArray[np.uint8]]:
    places = [match.span() for match in pattern.finditer(text)]
    starts, ends = np.array(places, np.int32).reshape(-1, 2).T
    return [text[a:b] for a, b in places], FeatureDictionary(NAMES).masks(text, starts, ends)


@pytest.mark.parametrize(
    ("word", "case"),
    [
        ("fever", 1), ("Fever", 2), ("A", 2), ("COPD", 3), ("mRNA", 4), ("McArthur", 4), ("5mg", 5),
        ("12", 5), ("%", 0), ("日", 0), ("Ödem", 2), ("ß", 1), ("ПНЕВМОНИЯ", 3),
    ],
)  # fmt: skip
def test_a_word_s_case_class(word: str, case: int) -> None:
    masks = tokens(f"x {word} y")[1]
    assert masks[1] & 7 == case


def test_all_pieces_of_a_word_carry_the_word_s_case() -> None:
    _, masks = tokens("HbA1c and COPD", pattern=TOKEN)
    assert (masks[:5] & 7 == 5).all()
    assert (masks[-4:] & 7 == 3).all()


def test_the_longest_name_on_word_boundaries_is_marked_begin_and_inside() -> None:
    words, masks = tokens("Aspirin (acetylsalicylic acid) for BREAST cancer, cancers")
    drug = dict(zip(words, masks >> 3 & 3, strict=True))
    disease = dict(zip(words, masks >> 5, strict=True))
    assert drug == {w: {"Aspirin": 1, "acetylsalicylic": 1, "acid": 2}.get(w, 0) for w in words}
    assert disease == {w: {"BREAST": 1, "cancer": 2}.get(w, 0) for w in words}


def test_an_abbreviation_is_met_as_it_is_written() -> None:
    names = [("disease", "CAP"), ("disease", "DM2"), ("drug", "cap"), ("disease", "GOUTY ARTHRITIS")]
    text = "CAP cap Cap DM2 dm2 gouty arthritis CAPS"
    places = [match.span() for match in re.finditer(r"\w+", text)]
    starts, ends = np.array(places, np.int32).T
    masks = FeatureDictionary(names).masks(text, starts, ends)
    assert (masks >> 5).tolist() == [1, 0, 0, 1, 0, 1, 2, 0]
    assert (masks >> 3 & 3).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_neighbouring_names_each_begin() -> None:
    _, masks = tokens("aspirin aspirin acid")
    assert (masks >> 3 & 3).tolist() == [1, 1, 1]


def test_without_a_file_only_case_is_marked() -> None:
    masks = FeatureDictionary.load(None).masks("aspirin", np.array([0], np.int32), np.array([7], np.int32))
    assert masks.tolist() == [1]


def test_a_dictionary_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.tsv.gz"
    path.write_bytes(gzip.compress(b"drug\twarfarin\ndisease\tgout\n", mtime=0))
    dictionary = FeatureDictionary.load(path)
    masks = dictionary.masks("Gout, warfarin", np.array([0, 6], np.int32), np.array([4, 14], np.int32))
    assert masks.tolist() == [2 | 32, 1 | 8]


@pytest.mark.parametrize(
    "content",
    [b"not gzip", gzip.compress(b"one column\n", mtime=0), gzip.compress(b"food\tbread\n", mtime=0)],
)
def test_a_damaged_dictionary_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dictionary.tsv.gz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is no dictionary of names; fetch"):
        FeatureDictionary.load(path)


@given(st.text(st.sampled_from("aA1 .é\U0001f600\u0301ßacid canerspiBbTX\ud800"), max_size=60))
def test_any_text_gives_one_mask_a_token_inside_the_table(text: str) -> None:
    words, masks = tokens(text, pattern=TOKEN)
    assert len(masks) == len(words)
    assert masks.dtype == np.uint8
    assert (masks < FEATURES).all()
    for bits in (masks >> 3 & 3, masks >> 5):
        assert not (bits == 3).any()  # nothing both begins and goes on
        assert not (bits[:1] == 2).any()


def test_a_million_characters_take_no_long_time() -> None:
    text = "acid" * 250_000
    masks = FeatureDictionary(NAMES).masks(text, np.array([0], np.int32), np.array([len(text)], np.int32))
    assert masks.tolist() == [1]
