"""Integrated gradients over the trunk's embeddings (Sundararajan, Taly, Yan 2017).

The path is straight from a window whose words are all [MASK] to the window itself; [CLS], [SEP] and positions
stay. The integral is by Gauss–Legendre quadrature, with more points until the weights of a target sum to its
change in score within `TOLERANCE`. Own code, held to captum's by a test: captum goes through the trunk once a
target and point, here all targets of a window share that pass, and only those go on that are not exact yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.explaining.questions import LEAST_CHANGE
from models.explaining.trunk import Trunk, Window, inner

TOLERANCE = 0.05
"""Completeness error that is small enough; see `Explanation`."""
POINTS = (10, 24, 64, 160, 400)
"""Points on the path: as few as will do."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Attributed:
    """`weights` float64 [asked, tokens]; `scores`, `baselines` [asked]."""

    weights: Float
    scores: Float
    baselines: Float


def integrated(trunk: Trunk, window: Window) -> Attributed:
    """Of every target of a window, how much each token moved its score, [CLS] and [SEP] by nothing.

    Where the last number of points is not enough either, the closest sum is taken.
    """
    with torch.no_grad():
        here, start = trunk.embedded(window), trunk.embedded(window, inner(window))
        both = trunk.scores(torch.stack([here, start]), window).cpu().numpy()
    scores, baselines = both
    change = scores - baselines
    weights = np.zeros((len(window.asked), len(window.ids)))
    errors = np.full(len(window.asked), np.inf)
    for points in POINTS:
        left = np.flatnonzero(~(errors <= TOLERANCE)).tolist()
        if not left:
            break
        part = window._replace(asked=[window.asked[i] for i in left])
        found = _quadrature(trunk, part, here, start, points)
        error = np.abs(found.sum(1) - change[left]) / np.maximum(np.abs(change[left]), LEAST_CHANGE)
        closer = ~(error >= errors[left])
        which = np.array(left)[closer]
        weights[which], errors[which] = found[closer], error[closer]
    return Attributed(weights, scores, baselines)


def _quadrature(trunk: Trunk, window: Window, here: torch.Tensor, start: torch.Tensor, points: int) -> Float:
    """Weights [asked, tokens] by the gradients at so many points of the path."""
    nodes, shares = np.polynomial.legendre.leggauss(points)
    along = torch.from_numpy((nodes + 1) / 2).float().to(here.device)[:, None, None]
    share = torch.from_numpy(shares / 2).to(here.device)
    difference = here - start
    weights = torch.zeros((len(window.asked), len(here)), dtype=torch.float64, device=here.device)
    for part in trunk.together(window, points):
        embedded = (start + along[part] * difference).requires_grad_()
        scores = trunk.scores(embedded, window).sum(0)
        for number, score in enumerate(scores):
            last = number + 1 == len(scores)
            (gradient,) = torch.autograd.grad(score, embedded, retain_graph=not last)
            weights[number] += share[part] @ (gradient * difference).sum(2).double()
    summed: Float = weights.cpu().numpy()
    return summed
