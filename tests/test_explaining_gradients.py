"""Integrated gradients: the decisive word is found, weights sum to the change, and captum says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from models.explaining import gradients
from models.explaining.explain import Explainer
from models.explaining.gradients import TOLERANCE, integrated
from models.explaining.questions import LEAST_CHANGE
from models.explaining.trunk import Window, inner
from models.explanation import Explanation
from tests.checkpoints import tiny
from tests.decisive import decisive, record

TEXT = "the patient denies chest pain and has no fever, takes aspirin."


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(decisive(tmp_path_factory.mktemp("decisive") / "made"), "cpu")


def window(explainer: Explainer, text: str = TEXT) -> Window:
    """All that is asked of the only window of a text."""
    note, annotation = record(text, topic=0.9, certainty="negative")
    asked = explainer.asking.ask(note, annotation)
    (piece,) = explainer.windows(asked.pieces[0], asked.questions, np.arange(len(asked.questions)))
    return piece.window


def by_target(found: tuple[Explanation, ...]) -> dict[str, list[Explanation]]:
    return {task: [own for own in found if own.task == task] for task in ("category", "certainty", "topic")}


def test_the_word_that_decides_is_found(explainer: Explainer) -> None:
    found = by_target(explainer.explain(*record(TEXT, topic=0.9, certainty="negative")))
    for explanation in found["certainty"]:
        first, second = explanation.words[:2]
        assert first.text == "denies"
        assert first.weight > 3 * abs(second.weight)
    assert [explanation.words[0].text for explanation in found["category"]] == ["pain", "fever"]
    assert [explanation.words[0].text for explanation in found["topic"]] == ["aspirin"]


def test_against_what_the_record_says_a_word_weighs_less_than_nothing(explainer: Explainer) -> None:
    found = by_target(explainer.explain(*record(TEXT, certainty="positive")))
    assert [(own.words[0].text, own.words[0].weight < 0) for own in found["certainty"]] == 2 * [
        ("denies", True)
    ]
    assert all(own.score < 0 for own in found["certainty"]), "the encoder says otherwise"


def test_weights_sum_to_the_change(explainer: Explainer) -> None:
    asked = window(explainer)
    found = integrated(explainer.trunk, asked)
    change = found.scores - found.baselines
    error = np.abs(found.weights.sum(1) - change) / np.maximum(np.abs(change), LEAST_CHANGE)
    assert (error <= TOLERANCE).all()
    assert (np.abs(change) > 1).all(), "there is something to sum to"
    assert not found.weights[:, [0, -1]].any(), "[CLS] and [SEP] are the same in both"


def test_captum_says_the_same(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "POINTS", (24,))
    asked, trunk = window(explainer), explainer.trunk
    found = integrated(trunk, asked)

    def scored(embedded: Tensor, which: int) -> Tensor:
        return trunk.scores(embedded, asked)[:, which]

    start = trunk.embedded(asked, inner(asked))[None]
    for number in range(len(asked.asked)):
        weights = IntegratedGradients(scored).attribute(
            trunk.embedded(asked)[None], start, additional_forward_args=number, n_steps=24
        )
        theirs = weights[0].sum(1).numpy()
        assert found.weights[number] == pytest.approx(theirs, abs=1e-4 * float(np.abs(theirs).max()))


def test_points_are_added_only_where_they_are_needed(
    explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, went = window(explainer), []
    quadrature = gradients._quadrature

    def counted(trunk: object, part: Window, *rest: object) -> object:
        went.append((rest[-1], len(part.asked)))
        return quadrature(trunk, part, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(gradients, "_quadrature", counted)
    monkeypatch.setattr(gradients, "POINTS", (1, 8, 64))
    integrated(explainer.trunk, asked)
    points, targets = zip(*went, strict=True)
    assert points == (1, 8, 64)[: len(points)]
    assert targets[0] == len(asked.asked) > targets[-1] > 0


def test_the_closest_sum_is_taken_where_no_number_of_points_is_enough(
    explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = window(explainer)
    monkeypatch.setattr(gradients, "POINTS", (64,))
    better = integrated(explainer.trunk, asked).weights
    monkeypatch.setattr(gradients, "POINTS", (64, 1))
    monkeypatch.setattr(gradients, "TOLERANCE", -1.0)
    assert (integrated(explainer.trunk, asked).weights == better).all()


def test_batches_of_any_size_give_the_same(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = window(explainer)
    whole = integrated(explainer.trunk, asked).weights
    monkeypatch.setattr("models.explaining.trunk.TOKENS", 1)
    assert integrated(explainer.trunk, asked).weights == pytest.approx(whole, abs=1e-4)


def test_a_trunk_with_random_weights_is_summed_up_too(tmp_path: Path) -> None:
    explainer = Explainer(tiny(tmp_path / "tiny"), "cpu")
    note, annotation = record("the patient denies chest pain and takes aspirin.")
    found = explainer.explain(note, annotation)
    assert found
    for explanation in found:
        assert explanation.completeness_error is not None
        assert explanation.completeness_error <= TOLERANCE


def test_nothing_is_left_behind(explainer: Explainer) -> None:
    integrated(explainer.trunk, window(explainer))
    assert all(not own.requires_grad and own.grad is None for own in explainer.trunk.encoder.parameters())
    assert torch.is_grad_enabled()
