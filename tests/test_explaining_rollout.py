"""Attention rollout: shares of what flowed into a target's tokens."""

from __future__ import annotations

import numpy as np
import pytest

from models.explaining.explain import Explainer
from models.explaining.rollout import flows, rolled
from tests.checkpoints import tiny
from tests.decisive import decisive, record
from tests.test_explaining_gradients import TEXT, window


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(decisive(tmp_path_factory.mktemp("decisive") / "made"), "cpu")


def test_where_a_layer_attends_to_all_alike_each_token_keeps_half_of_itself(explainer: Explainer) -> None:
    asked = window(explainer)
    tokens = len(asked.ids)
    expected = 0.5 / tokens + 0.5 * np.eye(tokens)
    assert flows(explainer.trunk, asked) == pytest.approx(expected, abs=1e-6)


def test_shares_of_a_real_trunk_sum_to_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    explainer = Explainer(tiny(tmp_path_factory.mktemp("tiny") / "made"), "cpu")
    note, annotation = record(TEXT)
    asked = explainer.asking.ask(note, annotation)
    (piece,) = explainer.windows(asked.pieces[0], asked.questions, np.arange(len(asked.questions)))
    flow = flows(explainer.trunk, piece.window)
    assert flow.sum(1) == pytest.approx(np.ones(len(flow)))
    assert (flow >= 0).all()
    assert np.ptp(flow, axis=0).max() > 0.01, "not all tokens look at the same"
    found = rolled(explainer.trunk, piece.window)
    local = piece.window.asked[0]
    assert found.weights[0] == pytest.approx(flow[local.first : local.end].mean(0))


def test_a_class_is_read_from_the_first_token(explainer: Explainer) -> None:
    asked = window(explainer)
    assert rolled(explainer.trunk, asked).weights[-1] == pytest.approx(flows(explainer.trunk, asked)[0])


def test_it_promises_no_sum(explainer: Explainer) -> None:
    for explanation in explainer.explain(*record(TEXT, topic=0.9), "rollout"):
        assert explanation.baseline is None
        assert explanation.completeness_error is None
        assert all(word.weight > 0 for word in explanation.words)
        assert explanation.words[0].weight <= 1
