"""The assertion head: NumPy reads what torch trained, and every axis is a distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.heads.assertion import SIZES, Assertion
from models.types import AXES


@pytest.fixture
def head() -> Assertion:
    torch.manual_seed(0)
    return Assertion.build(16, {"hidden": 8}).eval().requires_grad_(False)


def test_reading_equals_what_training_saw(head: Assertion) -> None:
    projected = head.project(torch.randn(10, 16))
    spans = np.array([[0, 1, 0], [2, 7, 1], [9, 10, 0]], np.int32)
    means = torch.stack([projected[a:b].mean(0) for a, b, _ in spans.tolist()])
    expected = torch.cat([part.softmax(1) for part in head.judge(means).split(list(SIZES), 1)], 1)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(head.read(projected.numpy(), spans), expected.numpy(), atol=1e-6)


def test_axes_are_those_of_the_record(head: Assertion) -> None:
    assert SIZES == (5, 3, 2, 3)
    read = head.read(head.project(torch.randn(4, 16)).numpy(), np.array([[0, 4, 0]], np.int32))
    assert read.shape == (1, sum(len(values) for values in AXES.values()))
    assert read.dtype == np.float32
    for part in np.split(read, np.cumsum(SIZES)[:-1], axis=1):
        assert part.sum() == pytest.approx(1)


def test_no_spans_no_rows(head: Assertion) -> None:
    assert head.read(np.zeros((3, 8), np.float32), np.zeros((0, 3), np.int32)).shape == (0, 13)
