"""A request is answered once, in its own order, however its passages were read."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.answers import Answer, together
from models.requests import Passage, Piece, Request, pieces, runs
from tests.engines import same


def answer(number: int) -> Answer:
    spans = np.full((number % 3, 3), number, np.int32)
    return Answer(
        "ok", spans, np.full(len(spans), number, np.float32), np.zeros((len(spans), 13), np.float32)
    )


def passage(tokens: int) -> Passage:
    return np.arange(tokens, dtype=np.int32), np.zeros(tokens, np.uint8)


@given(st.integers(1, 20), st.integers(0, 100))
def test_passages_read_in_any_order_are_answered_in_theirs(count: int, seed: int) -> None:
    chance = random.Random(seed)
    order = chance.sample(range(count), count)
    request = Request(count)
    request.begin(request._asked + 0.5)
    request.begin(request._asked + 9)
    while order:
        assert not request.future.done()
        size = chance.randrange(1, len(order) + 1)
        part, order = order[:size], order[size:]
        request.answer(part, together([answer(number) for number in part]))
    got = request.future.result(0)
    assert all(same(a, answer(number)) for number, a in enumerate(got.answers))
    assert round(got.queue_ms) == 500


def test_a_request_for_nothing_is_answered_at_once() -> None:
    assert Request(0).future.result(0).answers == []


def test_a_request_that_nobody_waits_for_is_dropped_and_may_be_answered_still() -> None:
    request = Request(1)
    (piece,) = pieces(request, [passage(3)], 10, 2)
    before = piece.dropped
    assert request.future.cancel()
    assert (before, piece.dropped) == (False, True)
    request.answer([0], together([answer(0)]))
    request.fail(ValueError())
    assert request.future.cancelled()


def test_windows_of_a_request() -> None:
    found = pieces(Request(4), [passage(n) for n in (0, 10, 11, 1)], 10, 2)
    assert [piece.number for piece in found] == [0, 1, 2, 2, 3]
    assert [piece.tokens for piece in found] == [2, 12, 12, 12, 3]
    assert [piece.index for piece in found] == [0, 0, 0, 1, 0]
    assert [piece.passage[0].tolist() for piece in found[2:4]] == [list(range(10)), list(range(1, 11))]
    assert found[2].long is found[3].long
    assert found[1].long is None


def test_runs_part_a_batch_by_requests_and_long_passages() -> None:
    one, two = Request(3), Request(2)
    batch: list[Piece] = [
        *pieces(one, [passage(1), passage(2), passage(11)], 10, 2),
        *pieces(two, [passage(1), passage(2)], 10, 2),
        *pieces(one, [passage(1)], 10, 2),
    ]
    assert list(runs(batch)) == [(0, 2), (2, 3), (3, 4), (4, 6), (6, 7)]
    assert list(runs([])) == []
