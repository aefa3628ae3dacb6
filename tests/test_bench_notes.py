"""The benchmark's notes: of the lengths asked for, and none has a passage of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.passages import split
from models.sections import find_sections
from streamer import samples
from streamer.bench_notes import Notes


@dataclass(frozen=True)
class Words:
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]


class WordReader:
    """Every word is one token."""

    def tokenise(self, texts: Sequence[str]) -> list[Words]:
        return [self._words(text) for text in texts]

    def _words(self, text: str) -> Words:
        starts, ends, at = [], [], 0
        for word in text.split():
            at = text.index(word, at)
            starts.append(at)
            at += len(word)
            ends.append(at)
        return Words(np.array(starts, np.int32), np.array(ends, np.int32))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [note["text"] for note in samples.load()[:40]]


@pytest.fixture
def notes(texts: list[str]) -> Notes:
    return Notes(texts, WordReader(), seed=1)


def test_notes_have_the_lengths_asked_for_over_and_over(notes: Notes) -> None:
    made = notes.take(6, [10, 200, 37])
    assert [len(note.text.split()) for note in made] == [10, 200, 37, 10, 200, 37]


def test_hardly_a_passage_comes_twice_however_often_the_samples_were_walked_through(
    texts: list[str], notes: Notes
) -> None:
    words = sum(len(text.split()) for text in texts)
    made = notes.take(3 * words // 200, [200])
    passages = [passage.text for note in made for passage in split(note.text, find_sections(note.text))]
    repeated = sum(map(len, passages)) - sum(map(len, set(passages)))
    assert repeated < 0.04 * sum(map(len, passages))  # headings and "None.", as in life
    assert len({note.text for note in made}) == len(made)


def test_ids_are_never_used_again(notes: Notes) -> None:
    made = notes.take(5, [10]) + notes.take(5, [20])
    assert len({note.id for note in made}) == 10


def test_the_same_seed_gives_the_same_notes(texts: list[str]) -> None:
    one, other, third = (Notes(texts, WordReader(), seed).take(20, [50]) for seed in (1, 1, 2))
    assert one == other
    assert one != third


def test_a_note_longer_than_all_samples_is_made_of_them_again(texts: list[str]) -> None:
    words = sum(len(text.split()) for text in texts[:2])
    (note,) = Notes(texts[:2], WordReader()).take(1, [3 * words])
    assert len(note.text.split()) == 3 * words


def test_the_message_is_a_note_of_our_own_format_and_its_repr_shows_no_text(notes: Notes) -> None:
    (note,) = notes.take(1, [30])
    assert msgspec.json.decode(note.value) == {"id": note.id, "text": note.text}
    assert note.text[:20] not in repr(note)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_any_lengths_can_be_had(lengths: list[int]) -> None:
    made = Notes(["One two three. Four five", "six (seven) eight-nine"], WordReader()).take(7, lengths)
    wanted = [lengths[number % len(lengths)] for number in range(7)]
    assert [len(note.text.split()) for note in made] == wanted
