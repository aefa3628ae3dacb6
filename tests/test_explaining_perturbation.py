"""LIME and SHAP by masked words: through their libraries, with every window read once for all targets."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from models.errors import EngineError
from models.explaining import perturbation
from models.explaining.explain import Explainer
from models.explaining.perturbation import Masking
from models.explaining.trunk import Window
from models.explanation import Method
from tests.decisive import decisive, record
from tests.test_explaining_gradients import TEXT, by_target, window


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(decisive(tmp_path_factory.mktemp("decisive") / "made"), "cpu")


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_the_word_that_decides_is_found(explainer: Explainer, method: Method) -> None:
    found = by_target(explainer.explain(*record(TEXT, topic=0.9, certainty="negative"), method))
    for explanation in found["certainty"]:
        first, second = explanation.words[:2]
        assert (first.text, first.weight > 3 * abs(second.weight)) == ("denies", True)
    assert [explanation.words[0].text for explanation in found["category"]] == ["pain", "fever"]
    assert [explanation.words[0].text for explanation in found["topic"]] == ["aspirin"]


def test_shapley_values_sum_to_the_change_and_a_linear_model_need_not(explainer: Explainer) -> None:
    said = record(TEXT, certainty="negative")
    for explanation in explainer.explain(*said, "shap"):
        assert explanation.completeness_error == pytest.approx(0, abs=1e-3)
        assert explanation.baseline is not None
    for explanation in explainer.explain(*said, "lime"):
        assert (explanation.completeness_error, explanation.baseline) == (None, None)


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_twice_the_same(explainer: Explainer, method: Method) -> None:
    said = record("denies chest pain", certainty="negative")
    assert explainer.explain(*said, method) == explainer.explain(*said, method)


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_a_note_of_one_word_is_explained(explainer: Explainer, method: Method) -> None:
    category, _ = explainer.explain(*record("pain"), method)
    assert [word.text for word in category.words] == ["pain"]
    assert category.words[0].weight > 1


class Linear:
    """In place of a trunk: the score is the sum of what each token weighs, unless it is masked."""

    def __init__(self, weights: list[float]) -> None:
        self.weights, self.batches = np.array(weights), 0

    def masked_scores(self, window: Window, masked: np.ndarray) -> np.ndarray:
        self.batches += 1
        scores: np.ndarray = (~masked @ self.weights)[:, None]
        return scores


def test_of_a_linear_score_every_word_gets_its_own_weight(explainer: Explainer) -> None:
    asked = window(explainer, "has pain and fever")
    weights = np.arange(len(asked.ids), dtype=np.float64)
    trunk: Any = Linear(weights.tolist())
    words = Masking(trunk, asked, explainer.word_start).words
    sums = np.array([weights[first:end].sum() for first, end in words])
    firsts = [first for first, _ in words]
    found = perturbation.shap(trunk, asked, explainer.word_start)
    assert found.weights[0][firsts] == pytest.approx(sums)
    found = perturbation.lime(trunk, asked, explainer.word_start)
    assert found.weights[0][firsts] == pytest.approx(sums, rel=0.1)
    assert trunk.batches < 40, "samples are read together"


def test_a_masked_word_is_masked_in_every_piece_and_no_other_is(explainer: Explainer) -> None:
    asked = window(explainer, "xyz has pain")
    seen: list[np.ndarray] = []

    class Watched(Linear):
        def masked_scores(self, window: Window, masked: np.ndarray) -> np.ndarray:
            seen.append(masked)
            return super().masked_scores(window, masked)

    masking = Masking(Watched([0.0] * len(asked.ids)), asked, explainer.word_start)  # type: ignore[arg-type]
    assert masking.words == [(1, 4), (4, 5), (5, 6)]
    masking.scores(np.array([[0, 1, 1], [1, 1, 0]]))
    assert np.flatnonzero(seen[0][0]).tolist() == [1, 2, 3]
    assert np.flatnonzero(seen[0][1]).tolist() == [5]


@pytest.mark.parametrize(("method", "package"), [("lime", "captum"), ("shap", "shap")])
def test_without_its_library_a_method_says_what_to_install(
    explainer: Explainer, monkeypatch: pytest.MonkeyPatch, method: Method, package: str
) -> None:
    there = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(EngineError, match=r"install streamer\[explain\]"):
        explainer.explain(*record("pain"), method)
