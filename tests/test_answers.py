"""Answers as arrays: taken apart, put together, put in order, and over the wire, they stay the same."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import wire
from models.answers import Answer, faults, joined, together
from models.ranges import ranges
from tests.engines import same

LABELS = (3, 2)


def answer(spans: int, seed: int, status: int = 0) -> Answer:
    chance = np.random.default_rng([spans, seed])
    if status:
        return Answer("model-non-finite" if status == 1 else "device-out-of-memory")
    return Answer(
        "ok",
        chance.integers(0, 99, (spans, 3), dtype=np.int32),
        chance.random(spans, np.float32),
        chance.random((spans, 13), np.float32),
        tuple(chance.random(labels, np.float32) for labels in LABELS),
    )


ANSWERS = st.lists(st.builds(answer, st.integers(0, 5), st.integers(0, 9), st.sampled_from([0, 0, 0, 1, 2])))


def equal(a: list[Answer], b: list[Answer]) -> bool:
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))


@given(ANSWERS)
def test_one_by_one_and_together_are_the_same(answers: list[Answer]) -> None:
    assert equal(together(answers).answers, answers)


@given(ANSWERS, ANSWERS, st.randoms())
def test_parts_join_in_any_order_of_passages(left: list[Answer], right: list[Answer], chance: object) -> None:
    both = [*left, *right]
    whole = joined([together(left), together(right)])
    assert equal(whole.answers, both)
    order = np.random.default_rng(len(both)).permutation(len(both))
    assert equal(whole.arranged(order).answers, [both[place] for place in order])


@given(ANSWERS)
def test_the_wire_changes_nothing(answers: list[Answer]) -> None:
    header, *arrays = wire.pack_answers(7, together(answers, 1.5, 2.5))
    message = wire.to_worker(header)
    assert isinstance(message, wire.Answered)
    heard = wire.unpack_answers(message, arrays)
    assert equal(heard.answers, answers)
    assert (message.number, heard.queue_ms, heard.inference_ms) == (7, 1.5, 2.5)


@given(ANSWERS, st.integers(0, 8), st.sampled_from(["shorter", "longer", "gone"]))
def test_arrays_that_do_not_fit_each_other_are_malformed(answers: list[Answer], at: int, how: str) -> None:
    header, *arrays = wire.pack_answers(7, together([*answers, answer(2, 0)], 1.5, 2.5))
    message = wire.to_worker(header)
    assert isinstance(message, wire.Answered)
    if how == "gone":
        arrays.pop(at)
    elif how == "longer":
        arrays[at] += bytes(4)
    elif arrays[at]:
        arrays[at] = arrays[at][:-1]
    else:
        return
    with pytest.raises(wire.Malformed):
        wire.unpack_answers(message, arrays)


def test_counts_that_cannot_be_are_malformed() -> None:
    header, *arrays = wire.pack_answers(7, together([answer(2, 0), answer(2, 1)]))
    message = wire.to_worker(header)
    assert isinstance(message, wire.Answered)
    below = [arrays[0], np.array([5, -1], "<i4").tobytes(), *arrays[2:]]
    unknown = [bytes([0, 9]), *arrays[1:]]
    for wrong in (below, unknown):
        with pytest.raises(wire.Malformed):
            wire.unpack_answers(message, wrong)
    with pytest.raises(wire.Malformed):
        wire.unpack_answers(msgspec.structs.replace(message, labels=(1 << 40,)), arrays)
    with pytest.raises(wire.Malformed):
        wire.unpack_weighed([b"\0" * 8, b"\0" * 16, b""])


@pytest.mark.parametrize("header", [b"", b"\xff", b"\x82\xa4type\xa4Ping\xa1x" + b"\x91" * 200_000 + b"\xc0"])
def test_a_header_that_is_no_message_is_malformed_however_deep(header: bytes) -> None:
    for read in (wire.to_engine, wire.to_worker):
        with pytest.raises(wire.Malformed):
            read(header)


def test_faults_have_nothing_but_their_status() -> None:
    whole = joined([faults("device-out-of-memory", 2), together([answer(2, 0)])])
    assert [a.status for a in whole.answers] == ["device-out-of-memory", "device-out-of-memory", "ok"]
    assert whole.assertion.shape == (2, 13)
    assert same(whole.answers[2], answer(2, 0))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 7)), max_size=20))
def test_ranges_are_one_after_the_other(own: list[tuple[int, int]]) -> None:
    starts, lengths = np.array([*own, (0, 0)], np.int32).T
    expected = [start + i for start, length in own for i in range(length)]
    assert ranges(starts, lengths).tolist() == expected


@pytest.mark.parametrize("passages", [0, 3])
def test_no_answers_are_answers(passages: int) -> None:
    assert len(faults("model-non-finite", passages)) == passages
    assert len(joined([])) == 0
