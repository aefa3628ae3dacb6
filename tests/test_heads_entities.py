"""Reading BIO tags word by word: against brute force, and what no answer may ever look like."""

from __future__ import annotations

import itertools
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from numpy.typing import NDArray

from models.heads.entities import Entities, word_scores
from models.viterbi import mend
from tests import plain_reading

KINDS = 2
TAGS = 1 + 2 * KINDS
SCORES = st.floats(-8, 8, width=32)


def valid(tags: tuple[int, ...]) -> bool:
    before = 0
    for tag in tags:
        if tag > KINDS and before not in (tag, tag - KINDS):
            return False
        before = tag
    return True


def head(kinds: int = KINDS, exact: bool = False, alike: bool = False) -> Entities:
    names = [f"K{i}" for i in range(kinds)]
    return Entities(4, names, exact, [names[:2]] if alike else ())


def read(
    projected: NDArray[np.float32], word_start: NDArray[np.bool_], exact: bool = False, alike: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """One sequence, nothing around it."""
    outside = np.zeros(len(word_start), np.bool_)
    return head(exact=exact, alike=alike).read(torch.from_numpy(projected), word_start, outside)


def logits(*tags: int) -> NDArray[np.float32]:
    """Logits that leave no doubt about the given tags."""
    return np.where(np.arange(TAGS) == np.array(tags)[:, None], 9.0, 0.0).astype(np.float32)


def best_tags(scores: NDArray[np.float32], between: NDArray[np.bool_]) -> NDArray[np.int64]:
    tags: NDArray[np.int64] = scores.argmax(1)
    tags[between] = 0
    mend(tags, scores, np.arange(len(scores) + 1), between)
    return tags


@settings(deadline=None)
@given(st.integers(1, 5).flatmap(lambda n: stn.arrays(np.float32, (n, TAGS), elements=SCORES)))
def test_the_best_valid_sequence_is_found(scores: NDArray[np.float32]) -> None:
    tags = best_tags(scores, np.zeros(len(scores), np.bool_))
    assert valid(tuple(tags))
    rows = range(len(scores))
    best = max(
        sum(scores[row, tag] for row, tag in zip(rows, sequence, strict=True))
        for sequence in product(range(TAGS), repeat=len(scores))
        if valid(sequence)
    )
    assert scores[rows, tags].sum() == pytest.approx(best, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 2.0, 6.0]), st.floats(0, 6))
def test_long_sequences_side_by_side_are_each_as_the_plain_reading_has_them(
    seed: int, spread: float, calm: float
) -> None:
    """Sure and unsure words, so that stretches of every length have to be mended."""
    chance = np.random.default_rng(seed)
    lengths = chance.integers(1, 60, 12)
    scores = (chance.normal(size=(lengths.sum(), 1 + 2 * 7)) * spread).astype(np.float32)
    scores[:, 0] += calm
    edges = np.append(0, np.cumsum(lengths))
    between = np.zeros(len(scores), np.bool_)
    between[edges[:-1]] = True
    tags = best_tags(scores, between)
    for a, b in itertools.pairwise(edges.tolist()):
        assert tags[a] == 0
        if b > a + 1:
            assert tags[a + 1 : b].tolist() == plain_reading.viterbi(scores[a + 1 : b].astype(float)).tolist()


@given(stn.arrays(np.float64, (6, TAGS), elements=SCORES), st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_word_s_score_is_the_sum_of_its_pieces(pieces: NDArray[np.float64], starts: list[bool]) -> None:
    starts[0] = True
    first = np.flatnonzero(starts)
    words = np.split(pieces, first[1:])
    for word, scores in zip(
        words, word_scores(torch.from_numpy(pieces), np.append(first, 6), np.arange(len(words))), strict=True
    ):
        for kind in range(KINDS):
            inside = word[:, 1 + KINDS + kind]
            assert scores[1 + kind] == pytest.approx(word[0, 1 + kind] + inside[1:].sum())
            assert scores[1 + KINDS + kind] == pytest.approx(inside.sum())
        assert scores[0] == pytest.approx(word[:, 0].sum())


@given(
    st.integers(0, 12).flatmap(
        lambda n: st.tuples(stn.arrays(np.float32, (n, TAGS), elements=SCORES), stn.arrays(np.bool_, n))
    )
)
def test_spans_are_in_order_apart_and_made_of_whole_words(
    case: tuple[NDArray[np.float32], NDArray[np.bool_]],
) -> None:
    projected, word_start = case
    spans, confidence = read(projected, word_start)
    assert spans.dtype == np.int32
    assert confidence.dtype == np.float32
    assert spans.shape == (len(confidence), 3)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (spans[1:, 0] >= spans[:-1, 1]).all()
    assert ((spans[:, 2] >= 0) & (spans[:, 2] < KINDS)).all()
    edges = {0, len(projected), *np.flatnonzero(word_start).tolist()}
    assert {*spans[:, 0].tolist(), *spans[:, 1].tolist()} <= edges


SEQUENCES = st.integers(1, 12).flatmap(
    lambda n: st.tuples(stn.arrays(np.float32, (n, TAGS), elements=SCORES), stn.arrays(np.bool_, n))
)


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("exact", [False, True])
@given(SEQUENCES)
def test_confidences_are_those_of_the_plain_formula(
    exact: bool, alike: bool, case: tuple[NDArray[np.float32], NDArray[np.bool_]]
) -> None:
    spans, confidence = read(*case, exact, alike)
    plain, sure = plain_reading.entities(*case, exact, [0, 1] if alike else [])
    assume(spans.tolist() == plain.tolist())  # of sequences that are as good, either may be taken
    assert confidence == pytest.approx(sure, abs=1e-5)


@given(SEQUENCES, SEQUENCES)
def test_how_sure_a_place_is_has_nothing_to_do_with_the_next_passage(
    one: tuple[NDArray[np.float32], NDArray[np.bool_]], other: tuple[NDArray[np.float32], NDArray[np.bool_]]
) -> None:
    seam = logits(3)  # [SEP] may look like anything
    projected = np.concatenate([one[0], seam, other[0]])
    starts = np.concatenate([one[1], [True], other[1]])
    outside = np.arange(len(starts)) == len(one[0])
    _, together = head(exact=True).read(torch.from_numpy(projected), starts, outside)
    alone = [read(*case, exact=True)[1] for case in (one, other)]
    assert together.tolist() == np.concatenate(alone).tolist()


def test_an_exact_confidence_falls_where_a_span_may_end_elsewhere() -> None:
    projected = logits(0, 1, 3, 0)
    starts = np.ones(4, np.bool_)
    projected[3, 3] = 8.5  # nearly as good as O: the span may go on
    (sure,), (exact,) = (read(projected, starts, exact)[1].tolist() for exact in (False, True))
    assert sure > 0.99
    assert 0.7 < exact < 0.8


def test_what_is_surely_one_of_two_alike_is_sure() -> None:
    projected = logits(0, 1, 0)
    starts = np.ones(3, np.bool_)
    projected[1, 2] = 8.9  # nearly as likely the other category
    (alone,), (together,) = (read(projected, starts, True, alike)[1].tolist() for alike in (False, True))
    assert alone < 0.6
    assert together > 0.99


def test_spans_of_plain_tags() -> None:
    projected = logits(0, 1, 3, 1, 2, 4, 0, 2)
    spans, confidence = read(projected, np.ones(8, np.bool_))
    assert spans.tolist() == [[1, 3, 0], [3, 4, 0], [4, 6, 1], [7, 8, 1]]
    assert (confidence > 0.99).all()


def test_pieces_of_one_word_are_never_parted() -> None:
    projected = logits(1, 0, 0)
    projected[0] *= 3  # the first piece is surer than both others
    spans, _ = read(projected, np.array([True, False, False]))
    assert spans.tolist() in ([], [[0, 3, 0]])


def test_what_is_projected_has_a_column_for_every_tag() -> None:
    assert head().project(torch.zeros(7, 4)).shape == (7, TAGS)
    assert Entities.build(4, {"categories": ["A", "B", "C"]}).project(torch.zeros(2, 4)).shape == (2, 7)


def test_no_tokens_no_spans() -> None:
    spans, confidence = read(np.zeros((0, TAGS), np.float32), np.zeros(0, np.bool_))
    assert spans.shape == (0, 3)
    assert confidence.shape == (0,)
