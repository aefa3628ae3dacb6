"""LIME (Ribeiro, Singh, Guestrin 2016) and SHAP (Lundberg and Lee 2017) by masking words, through libraries.

A masked word is [MASK] in every piece. Each masked window goes through the trunk once for all targets.
The package `lime` has had no release since 2020 and brings scikit-image along: captum's LIME is maintained.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import EngineError
from models.explaining.gradients import Attributed
from models.explaining.questions import words
from models.explaining.trunk import Bool, Trunk, Window, inner

SAMPLES = 200, 10, 1000
"""For LIME: windows with words masked at least, a word, and at most."""
KERNEL = 0.25
"""Width of LIME's kernel over cosine distance, as its text explainer has it."""
RIDGE = 0.01
"""Penalty of LIME's regression: small beside the weight of its samples, so that weights keep their size."""
PERMUTATIONS = 10
"""Of the words, for SHAP, each forwards and backwards: as many as the library takes by itself."""
SEED = 0
MISSING = "explaining by {} needs a package that is not here; install streamer[explain]"

Float = NDArray[np.float64]


class Masking:
    """A window whose words can be masked; `word_start` [vocabulary]: pieces that start a word."""

    def __init__(self, trunk: Trunk, window: Window, word_start: Bool) -> None:
        self._trunk, self._window = trunk, window
        self.words = [(first + 1, end + 1) for first, end in words(window.ids[1:-1], word_start)]

    def scores(self, kept: NDArray[np.generic]) -> Float:
        """Scores [n, asked] with only the words `kept` [n, words]."""
        masked = np.zeros((len(kept), len(self._window.ids)), np.bool_)
        for number, (first, end) in enumerate(self.words):
            masked[:, first:end] = ~kept[:, number : number + 1].astype(np.bool_)
        return self._trunk.masked_scores(self._window, masked)

    def spread(self, weights: Float) -> Float:
        """Weights [asked, words] → [asked, tokens]: a word's on its first piece."""
        tokens = np.zeros((len(weights), len(self._window.ids)))
        tokens[:, [first for first, _ in self.words]] = weights
        return tokens


def lime(trunk: Trunk, window: Window, word_start: Bool) -> Attributed:
    """Weights [asked, tokens] of the linear model that fits what such windows score; no baselines."""
    masking = Masking(trunk, window, word_start)
    least, each, most = SAMPLES
    kept = _sampled(len(masking.words), min(max(least, each * len(masking.words)), most))
    scores = masking.scores(kept)
    fitted = np.stack([_fitted(kept, scores[:, number]) for number in range(scores.shape[1])])
    return Attributed(masking.spread(fitted), scores[0], np.full(scores.shape[1], np.nan))


def shap(trunk: Trunk, window: Window, word_start: Bool) -> Attributed:
    """Weights [asked, tokens]: Shapley values of the words, by permutations; they sum to the change."""
    masking = Masking(trunk, window, word_start)
    count = len(masking.words)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its plots, about a library that draws them
        try:
            from shap import PermutationExplainer
        except ImportError:
            raise EngineError(MISSING.format("shap")) from None
        explainer = PermutationExplainer(masking.scores, np.zeros((1, count)), seed=SEED)
        found = explainer(np.ones((1, count)), max_evals=PERMUTATIONS * (2 * count + 1), silent=True)
    values: Float = found.values[0].reshape(count, -1).T
    ends = trunk.masked_scores(window, np.stack([np.zeros(len(window.ids), np.bool_), inner(window)]))
    return Attributed(masking.spread(values), ends[0], ends[1])


def _sampled(count: int, samples: int) -> Bool:
    """Which words are kept, [samples, words]: all of them, then all but a random number of random ones."""
    rng = np.random.default_rng(SEED)
    ranks = rng.random((samples, count)).argsort(1)
    kept = ranks >= rng.integers(1, count + 1, samples)[:, None]
    kept[0] = True
    return kept


def _fitted(kept: Bool, scores: Float) -> Float:
    """The weight of every word in a ridge regression on the samples, near ones counting most."""
    try:
        from captum._utils.models.linear_model import SkLearnRidge
        from captum.attr import LimeBase
        from captum.attr._core.lime import get_exp_kernel_similarity_function
    except ImportError:
        raise EngineError(MISSING.format("lime")) from None
    rows, answers = torch.from_numpy(kept).float(), torch.from_numpy(scores)
    near = get_exp_kernel_similarity_function("cosine", KERNEL)

    def each(_: Tensor) -> Iterator[Tensor]:
        for number in range(len(rows)):
            yield torch.tensor([number])

    explainer = LimeBase(
        forward_func=lambda numbers: answers[numbers],
        interpretable_model=SkLearnRidge(alpha=RIDGE),
        similarity_func=lambda _, __, row: near(rows[0], row[0], None),
        perturb_func=each,
        perturb_interpretable_space=False,
        from_interp_rep_transform=None,
        to_interp_rep_transform=lambda number, _: rows[number],
    )
    found = explainer.attribute(torch.tensor([0]), n_samples=len(rows), perturbations_per_eval=len(rows))
    weights: Float = found.double().numpy().reshape(-1)
    return weights
