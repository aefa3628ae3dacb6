"""Batches are read as the plain reading reads each passage alone, whatever else is in them."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.answers import Answer
from models.requests import Long
from tests.engines import same
from tests.worlds import WORLDS, Text, World, text, words

everything = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())


def close(a: Answer, b: Answer, within: float = 2e-6) -> bool:
    floats = [
        (a.confidence, b.confidence),
        (a.assertion, b.assertion),
        (a.pair_confidence, b.pair_confidence),
        *zip(a.classes, b.classes, strict=True),
    ]
    return (
        a.status == b.status
        and np.array_equal(a.spans, b.spans)
        and np.array_equal(a.pairs, b.pairs)
        and all(np.allclose(x, y, atol=within) for x, y in floats if x.size or y.size)
    )


LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=12)


@everything
@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 10_000))
def test_every_passage_of_a_batch_is_read_as_the_plain_reading_reads_it(
    world: World, lengths: list[int], seed: int
) -> None:
    texts = [text(n, seed) for n in lengths]
    for own, answer in zip(texts, world.read(texts), strict=True):
        assert close(answer, world.plainly(own))


@everything
def test_there_is_much_to_read_in_these_passages(world: World) -> None:
    answers = world.read([text(60, seed) for seed in range(30)])
    if world.heads.spans:
        assert sum(len(answer.spans) for answer in answers) > 100
        assert max(int(np.diff(answer.spans[:, :2]).max(initial=0)) for answer in answers) > 3
    assert all(len(answer.classes) == len(world.heads.classes) for answer in answers)


@everything
@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 10_000))
def test_a_passage_has_the_same_bits_in_every_company(world: World, lengths: list[int], seed: int) -> None:
    probe = text(40, seed)
    company = [text(n, seed) for n in lengths]
    (alone,) = world.read([probe])
    assert same(world.read([*company, probe, *company])[len(company)], alone)


@everything
@settings(max_examples=25, deadline=None)
@given(tokens=st.integers(13, 90), seed=st.integers(0, 10_000), shuffled=st.randoms())
def test_a_long_passage_is_read_as_if_it_were_one_window(
    world: World, tokens: int, seed: int, shuffled: Any
) -> None:
    """Its windows see the same, come in any order and in different batches, and nothing of it shows."""
    whole = text(tokens, seed)
    long = Long((whole.ids, whole.ids.astype(np.uint8)), 12, 4)
    order = list(range(len(long.windows)))
    shuffled.shuffle(order)
    last = []
    for index in order:
        window = long.windows[index]
        part = np.r_[0, window.start + 1 : window.stop + 1, tokens + 1]
        own = Text(whole.ids[window.start : window.stop], whole.hidden[part])
        number = index % 3
        batch = world.batch([*(text(n) for n in range(number)), own, text(5)])
        last.append(long.lay(index, world.reading.rows(batch, number, long, index)))
    assert last == [False] * (len(order) - 1) + [True]
    (answer,) = world.reading.whole(long).answers
    assert close(without_pairs(answer), without_pairs(world.plainly(whole)), 1e-2)


def without_pairs(answer: Answer) -> Answer:
    """Hidden states of a long passage are kept in half the bits, so that a pair may lie over its threshold
    one way and under it the other. Means of windows are not those of the whole: pooled classes differ."""
    return dataclasses.replace(
        answer, pairs=answer.pairs[:0], pair_confidence=answer.pair_confidence[:0], classes=()
    )


def test_relations_go_over_the_seams_of_a_long_passage() -> None:
    world = WORLDS["layers"]
    whole = text(80, 3)
    long = Long((whole.ids, whole.ids.astype(np.uint8)), 12, 4)
    for index, window in enumerate(long.windows):
        part = np.r_[0, window.start + 1 : window.stop + 1, 81]
        batch = world.batch([Text(whole.ids[window.start : window.stop], whole.hidden[part])])
        long.lay(index, world.reading.rows(batch, 0, long, index))
    (answer,) = world.reading.whole(long).answers
    plainly = world.plainly(whole)
    assert len(answer.pairs) > 3
    assert np.array_equal(answer.pairs, plainly.pairs)
    assert np.allclose(answer.pair_confidence, plainly.pair_confidence, atol=2e-2)


def test_a_name_that_two_layers_share_is_joined_in_the_first_alone() -> None:
    world = WORLDS["layers"]
    joined = {int(n) for own in (text(60, s) for s in range(20)) for n in _joined(world.read([own])[0])}
    assert joined <= {0, 1, 2, 3, 7}, "B of the second layer is 4, X and Y are no kinds; E is 7, F none"
    assert 1 in joined


def _joined(answer: Answer) -> NDArray[np.int32]:
    kinds: NDArray[np.int32] = answer.spans[answer.pairs[:, :2].ravel(), 2]
    return kinds


def test_hidden_states_of_half_the_bits_are_read_as_whole_numbers() -> None:
    texts = [text(40, seed) for seed in range(3)]
    rounded = [Text(t.ids, torch.from_numpy(t.hidden).bfloat16().float().numpy()) for t in texts]
    answers = words.reading.batch(words.batch(texts, torch.bfloat16)).answers
    assert all(same(a, b) for a, b in zip(answers, words.read(rounded), strict=True))


def test_parts_of_a_batch_are_views_of_it() -> None:
    answers = words.reading.batch(words.batch([text(30, seed) for seed in range(4)]))
    edges = np.append(0, np.cumsum(answers.counts)).tolist()
    for place, (a, b) in enumerate(pairwise(edges)):
        part = answers.part(place, place + 1, a, b)
        assert same(part.answers[0], answers.answers[place])
        assert not part.spans.size or np.shares_memory(part.spans, answers.spans)
