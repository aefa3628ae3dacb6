"""Confidences are bent as the manifest says, by category, and keep their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.checkpoint import Checkpoint
from models.reliability import Curves
from tests.checkpoints import tiny


def curves(tmp: Checkpoint, *calibration: object) -> Curves:
    heads = [
        {
            "name": str(n),
            "kind": "entities",
            "categories": ["A", "B"],
            **({"calibration": own} if own else {}),
        }
        for n, own in enumerate(calibration)
    ]
    return Curves(replace(tmp, heads=tuple(heads)))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return tiny(Path(tmp_path_factory.mktemp("c")))


CATEGORIES = np.arange(4, dtype=np.int32)


def test_nothing_was_fitted_and_nothing_is_bent(checkpoint: Checkpoint) -> None:
    sure = np.array([0.1, 0.5, 0.9, 1.0], np.float32)
    assert curves(checkpoint, None, None).spans(sure, CATEGORIES) is sure


def test_each_head_and_category_has_its_curve(checkpoint: Checkpoint) -> None:
    own = curves(checkpoint, {"A": [2.0, 0.0]}, [1.0, 1.0])
    found = own.spans(np.full(4, 0.8, np.float32), CATEGORIES)
    assert found.tolist() == pytest.approx([16 / 17, 0.8, 1 / (1 + np.exp(-1) / 4), 1 / (1 + np.exp(-1) / 4)])


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=9), st.floats(0.2, 3), st.floats(-2, 2))
def test_the_order_stays_and_nothing_leaves_its_bounds(
    checkpoint: Checkpoint, confidences: list[float], a: float, b: float
) -> None:
    sure = np.sort(np.array(confidences, np.float32))
    found = curves(checkpoint, [a, b]).spans(sure, np.zeros(len(sure), np.int32))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert np.isfinite(found).all()
