"""A bag of word pieces for a class head, fitted by itself on the texts.

Logistic regression on how often each piece is in a text, weighed by how few texts have it (Spärck Jones
1972). By itself, as the trunk has learned these texts: fitted at once, it would leave the pieces nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from models.heads.bag import Bag
from models.training.losses import labels_cost

TEXTS = 3
"""In fewer texts a piece tells nothing."""
STRENGTH = 200.0
"""How little weights are held down: the inverse of the pull to zero."""
STEPS = 100


def bag_of(texts: Sequence[Tensor], wanted: Tensor, independent: bool, most: int) -> tuple[Bag, Tensor]:
    """A bag and the logits [labels] of a text without any of its pieces.

    `texts`: the pieces of each, int64; `wanted` bool [texts, labels]; `most`: pieces that may count, those
    with the largest weights for any label.
    """
    among, columns = torch.unique(torch.cat(list(texts)), return_inverse=True)
    rows = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor([len(own) for own in texts]))
    counts = torch.zeros(len(texts), len(among))
    counts.index_put_((rows, columns), torch.ones(len(rows)), accumulate=True)
    spread = (counts > 0).sum(0)
    known = spread >= min(TEXTS, len(texts))
    shares = counts / counts.sum(1, keepdim=True)
    rarity = torch.log((1 + len(texts)) / (1 + spread.float())) + 1
    weighed = shares * rarity
    scale = rarity / weighed.norm(dim=1).mean()
    among, shares, scale = among[known], shares[:, known], scale[known]
    first, _ = _fitted(shares * scale, wanted, independent)
    kept = first.abs().amax(1).argsort(descending=True, stable=True)[:most].sort().values
    weights, bias = _fitted((shares * scale)[:, kept], wanted, independent)
    bag = Bag(among[kept].tolist(), wanted.shape[1])
    with torch.no_grad():
        bag.table.copy_(weights * scale[kept][:, None])
    return bag, bias


def _fitted(features: Tensor, wanted: Tensor, independent: bool) -> tuple[Tensor, Tensor]:
    """Weights [features, labels] and biases [labels], by L-BFGS."""
    usual = wanted.float().mean(0).clamp(1 / len(wanted), 1 - 1 / len(wanted))
    weights = torch.zeros(features.shape[1], wanted.shape[1], requires_grad=True)
    bias = torch.logit(usual).requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [weights, bias], max_iter=STEPS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        cost = labels_cost(features @ weights + bias, wanted, independent)
        loss = cost + weights.square().sum() / (2 * STRENGTH)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    assert math.isfinite(float(bias.detach().sum()))
    return weights.detach(), bias.detach()
