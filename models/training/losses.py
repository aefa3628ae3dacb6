"""What a batch costs: how improbable the heads find everything that the labels leave open."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.heads.assertion import SIZES, Assertion
from models.heads.entities import Entities
from models.heads.relations import Relations
from models.heads.text_classes import TextClasses
from models.training.batch import Paired

TOKENS_A_SPAN = 64
"""So many tokens stand for one span, one text or eight pairs: keeps the weights of tasks apart from how often
they occur in a batch."""
PAIRS_A_SPAN = 8


def marginal(logits: Tensor, allowed: Tensor) -> Tensor:
    """−log of the summed probability of the allowed classes [rows]; 0 where all are allowed.

    `logits`, `allowed` (bool): [rows, classes].
    """
    within = torch.logsumexp(logits.masked_fill(~allowed, -torch.inf), dim=1)
    return torch.logsumexp(logits, dim=1) - within


def marginal_loss(head: Entities, hidden: Tensor, tags: Tensor, table: Tensor) -> Tensor:
    """Sum over the labelled tokens, a token of the batch. `tags` [tokens]: rows of `table`, or −1."""
    known = tags >= 0
    if not known.any():
        return hidden.new_zeros(())
    return marginal(head.project(hidden[known]), table[tags[known]]).sum() / len(tags)


def soft_loss(head: Entities, hidden: Tensor, soft: Tensor, places: Tensor) -> Tensor:
    """How far the tags are from what teachers found probable (Hinton et al. 2015), a token of the batch.

    `soft` [k, tags] of the tokens `places` [k]. Their own entropy, which nothing can change, is left out.
    """
    told = head.project(hidden[places]).log_softmax(1)
    return -(soft * told).sum() / len(hidden)


def assertion_loss(head: Assertion, hidden: Tensor, spans: Tensor, values: Tensor) -> Tensor:
    """Of the judged spans the sum over the axes. `spans` [m, 2] tokens, `values` bool [m, 13]."""
    if not len(spans):
        return hidden.new_zeros(())
    projected = head.project(hidden)
    sums = torch.cat([projected.new_zeros(1, projected.shape[1]), projected.cumsum(0)])
    counts = (spans[:, 1] - spans[:, 0])[:, None]
    logits = head.judge((sums[spans[:, 1]] - sums[spans[:, 0]]) / counts)
    sizes = list(SIZES)
    parts = zip(torch.split(logits, sizes, 1), torch.split(values, sizes, 1), strict=True)
    total = torch.stack([marginal(part, left) for part, left in parts]).sum()
    return total * TOKENS_A_SPAN / len(hidden)


def relation_losses(head: Relations, hidden: Tensor, paired: Paired | None) -> dict[str, Tensor]:
    """`relations`: of pairs; `documents`: of what is said of a whole document, which holds if it does of any
    pair: the soft maximum (Verga et al. 2018, "Simultaneously self-attending to all mentions").
    """
    nothing = hidden.new_zeros(())
    if paired is None:
        return {"relations": nothing, "documents": nothing}
    logits = head.judge(head.project(hidden), paired.spans, paired.kinds, paired.pairs)
    costs = F.binary_cross_entropy_with_logits(logits, paired.wanted.float(), reduction="none")
    pairs = (costs * paired.known).sum() * TOKENS_A_SPAN / PAIRS_A_SPAN / len(hidden)
    if not len(paired.whole):
        return {"relations": pairs, "documents": nothing}
    spoken = paired.groups >= 0
    groups = paired.groups[spoken]
    own = logits[spoken].gather(1, paired.relation[groups][:, None])[:, 0]
    together = grouped_logsumexp(own, groups, len(paired.whole))
    whole = F.binary_cross_entropy_with_logits(together, paired.whole.float(), reduction="sum")
    return {"relations": pairs, "documents": whole * TOKENS_A_SPAN / len(hidden)}


def grouped_logsumexp(values: Tensor, groups: Tensor, count: int) -> Tensor:
    """[count]: log of the summed exponentials of each group's values; no group may be empty."""
    most = values.new_full((count,), -torch.inf).scatter_reduce(0, groups, values.detach(), "amax")
    sums = values.new_zeros(count).index_add(0, groups, (values - most[groups]).exp())
    return most + sums.log()


def class_loss(
    head: TextClasses, pooled: Tensor, sizes: Tensor, bundle: Tensor, wanted: Tensor, known: Tensor
) -> Tensor:
    """Of texts in several windows, whose logits are averaged by their tokens.

    `pooled` [windows, 2 · width]; `sizes`, `bundle` [windows]: tokens, and which text each is of; `wanted`
    bool [texts, labels]; `known` bool [texts].
    """
    if not known.any():
        return pooled.new_zeros(())
    mine = known[bundle]
    logits = head.project(pooled[mine])
    weights = sizes[mine].float()
    sums = logits.new_zeros(len(known), logits.shape[1]).index_add(0, bundle[mine], logits * weights[:, None])
    totals = logits.new_zeros(len(known)).index_add(0, bundle[mine], weights)
    mean = sums[known] / totals[known][:, None]
    return labels_cost(mean, wanted[known], head.independent) * TOKENS_A_SPAN / int(sizes.sum())


def labels_cost(logits: Tensor, wanted: Tensor, independent: bool) -> Tensor:
    """Sum over texts. `logits`, `wanted` (bool): [texts, labels]; `independent`: a text may have several."""
    if independent:
        return F.binary_cross_entropy_with_logits(logits, wanted.float(), reduction="sum")
    return marginal(logits, wanted).sum()
