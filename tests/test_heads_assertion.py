"""The assertion head: spans of any length are averaged and judged, and every axis is a distribution."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from models.blocks import in_blocks
from models.heads.assertion import SIZES, Assertion
from models.types import AXES
from tests import plain_reading


@pytest.fixture
def head() -> Assertion:
    torch.manual_seed(0)
    return Assertion.build(16, {"hidden": 8}).eval().requires_grad_(False)


def test_reading_equals_what_training_saw_and_the_plain_reading(head: Assertion) -> None:
    hidden = torch.randn(10, 16)
    spans = np.array([[0, 1, 0], [2, 7, 1], [9, 10, 0]], np.int32)
    means = torch.stack([head.project(hidden)[a:b].mean(0) for a, b, _ in spans.tolist()])
    expected = torch.cat([part.softmax(1) for part in torch.split(head.judge(means), list(SIZES), 1)], 1)
    rows = torch.cat([head.project(hidden)[a:b] for a, b, _ in spans.tolist()])
    read = head.read(rows, spans[:, 1] - spans[:, 0])
    np.testing.assert_allclose(read, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(read, plain_reading.assertion(head, hidden.numpy(), spans), atol=1e-6)


def test_a_span_is_judged_the_same_in_every_company(head: Assertion) -> None:
    in_blocks(head)
    hidden = torch.randn(400, 16)
    lengths = np.arange(1, 28, dtype=np.int32)
    together = head.read(head.project(hidden[: lengths.sum()]), lengths)
    edges = np.append(0, np.cumsum(lengths))
    for number, (a, b) in enumerate(pairwise(edges.tolist())):
        alone = head.read(head.project(hidden[a:b]), lengths[number : number + 1])
        assert alone.tobytes() == together[number].tobytes()


def test_axes_are_those_of_the_record(head: Assertion) -> None:
    assert SIZES == (5, 3, 2, 3)
    read = head.read(head.project(torch.randn(4, 16)), np.array([4], np.int32))
    assert read.shape == (1, sum(len(values) for values in AXES.values()))
    assert read.dtype == np.float32
    for part in np.split(read, np.cumsum(SIZES)[:-1], axis=1):
        assert part.sum() == pytest.approx(1)


def test_no_spans_no_rows(head: Assertion) -> None:
    assert head.read(torch.zeros(0, 8), np.zeros(0, np.int32)).shape == (0, 13)
