"""What a batch costs: how improbable the heads find everything that the labels leave open."""

from __future__ import annotations

import torch
from torch import Tensor

from models.heads.assertion import SIZES, Assertion
from models.heads.entities import Entities


def marginal(logits: Tensor, allowed: Tensor) -> Tensor:
    """−log of the summed probability of the allowed classes [rows]; 0 where all are allowed.

    `logits`, `allowed` (bool): [rows, classes].
    """
    within = torch.logsumexp(logits.masked_fill(~allowed, -torch.inf), dim=1)
    return torch.logsumexp(logits, dim=1) - within


def entities_loss(head: Entities, hidden: Tensor, tags: Tensor, table: Tensor) -> Tensor:
    """Mean over the tokens that are labelled at all. `tags` [tokens]: rows of `table`, or −1."""
    known = tags >= 0
    return marginal(head.project(hidden[known]), table[tags[known]]).mean()


def assertion_loss(head: Assertion, hidden: Tensor, spans: Tensor, values: Tensor) -> Tensor:
    """Mean over the judged spans of the sum over the axes. `spans` [m, 2] tokens, `values` bool [m, 13]."""
    if not len(spans):
        return hidden.new_zeros(())
    projected = head.project(hidden)
    sums = torch.cat([projected.new_zeros(1, projected.shape[1]), projected.cumsum(0)])
    counts = (spans[:, 1] - spans[:, 0])[:, None]
    logits = head.judge((sums[spans[:, 1]] - sums[spans[:, 0]]) / counts)
    sizes = list(SIZES)
    parts = zip(torch.split(logits, sizes, 1), torch.split(values, sizes, 1), strict=True)
    return torch.stack([marginal(part, left) for part, left in parts]).sum(0).mean()
