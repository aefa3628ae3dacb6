"""How a passage is read, written down plainly: one passage at a time, in NumPy. What batches are held to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.heads.assertion import SIZES, Assertion
from models.heads.relations import BUCKETS, Relations
from models.heads.token_classes import TokenClasses

Float = NDArray[np.float32]
Scores = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]


def entities(
    projected: Float, word_start: Bool, exact: bool = False, alike: Sequence[int] = ()
) -> tuple[Int, Float]:
    """BIO tags word by word, the best valid sequence; see `models.heads.entities`."""
    if not len(projected):
        return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
    kinds = projected.shape[1] // 2
    first = np.flatnonzero(np.append(True, word_start[1:]))
    log_probability = log_softmax(projected.astype(np.float64))
    scores = np.add.reduceat(log_probability, first, axis=0)
    begins, insides = slice(1, 1 + kinds), slice(1 + kinds, None)
    rest = scores[:, insides] - log_probability[first, insides]
    scores[:, begins] = log_probability[first, begins] + rest
    tags = viterbi(scores)
    edges = np.append(first, len(projected))
    either = np.exp(log_probability[:, begins]) + np.exp(log_probability[:, insides])
    words = np.add.reduceat(either, first, axis=0) / np.diff(edges)[:, None]
    spans, confidence = [], []
    for begin in np.flatnonzero((tags >= 1) & (tags <= kinds)).tolist():
        end = begin + 1
        while end < len(tags) and tags[end] > kinds:
            end += 1
        category = int(tags[begin]) - 1
        spans.append((edges[begin], edges[end], category))
        own = np.array(alike if category in alike else [category])
        sure = words[begin:end, own].sum(1).mean()
        if exact:
            place = np.exp(log_probability[edges[begin], 1 + own]).sum()
            inside = np.exp(log_probability[:, 1 + kinds + own]).sum(1)
            place *= inside[edges[begin + 1 : end]].prod()
            place *= 1 - inside[edges[end]] if end < len(tags) else 1
            sure = np.sqrt(sure * place)
        confidence.append(sure)
    return np.array(spans, np.int32).reshape(-1, 3), np.array(confidence, np.float32)


def viterbi(scores: Scores) -> NDArray[np.intp]:
    """The best valid sequence of tags, word after word, with every transition tried."""
    kinds = scores.shape[1] // 2
    tags = np.arange(scores.shape[1])
    inside = tags > kinds
    category = np.where(tags > 0, (tags - 1) % max(kinds, 1), -1)
    allowed = ~inside[None] | ((category[:, None] == category[None]) & (tags > 0)[:, None])
    cost = np.where(allowed, 0.0, -np.inf)
    total = np.where(inside, -np.inf, scores[0])
    came_from = []
    for word in scores[1:]:
        ways = total[:, None] + cost
        came_from.append(ways.argmax(0))
        total = word + ways.max(0)
    found = [int(total.argmax())]
    for back in reversed(came_from):
        found.append(int(back[found[-1]]))
    return np.array(found[::-1])


def token_classes(head: TokenClasses, projected: Float) -> tuple[Int, Float]:
    """The best label of every token on its own; see `models.heads.token_classes`."""
    if not len(projected):
        return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
    exp = np.exp(projected - projected.max(1, keepdims=True))
    best = exp.argmax(1)
    probability = exp.max(1) / exp.sum(1)
    category, opens, closes = head._category[best], head._opens[best], head._closes[best]
    starts = np.ones(len(best), dtype=np.bool_)
    starts[1:] = (category[1:] != category[:-1]) | opens[1:] | closes[:-1]
    first = np.flatnonzero(starts)
    end = np.append(first[1:], len(best))
    mean = np.add.reduceat(probability, first) / (end - first)
    entity = category[first] >= 0
    spans = np.stack([first, end, category[first]], axis=1)[entity]
    return spans.astype(np.int32), mean[entity].astype(np.float32)


def assertion(head: Assertion, hidden: Float, spans: Int) -> Float:
    """Each span's projections averaged, then the small network. `hidden` [tokens, width] of the passage."""
    if not len(spans):
        return np.zeros((0, sum(SIZES)), np.float32)
    projected = np.maximum(_linear(head.tokens, hidden), 0)
    means = np.stack([projected[a:b].mean(0) for a, b, _ in spans.tolist()])
    logits = _linear(head.axes, np.maximum(_linear(head.mix, means), 0))
    axes = np.split(logits.astype(np.float64), np.cumsum(SIZES)[:-1], 1)
    return np.concatenate([np.exp(log_softmax(axis)) for axis in axes], 1).astype(np.float32)


def relations(head: Relations, hidden: Float, spans: Int, names: Sequence[str]) -> tuple[Int, Float]:
    """Every pair of spans on its own; see `models.heads.relations`. `names`: of the spans' categories."""
    first = {name: names.index(name) for name in head.kinds if name in names}
    kinds = {number: head.kinds.index(name) for name, number in first.items()}
    known = [n for n, span in enumerate(spans.tolist()) if span[2] in kinds]
    source, target = np.split(_linear(head.ends, hidden), 2, 1)
    between = _linear(head.between, hidden)
    found, sure = [], []
    for one, i in enumerate(known):
        for other, j in enumerate(known):
            (a, b, kind), (c, d, kind2) = spans[i].tolist(), spans[j].tolist()
            gap = (min(b, d), max(min(b, d), a, c))
            fits = head.joins[:, kinds[kind], kinds[kind2]]
            left, right = (spans[i], spans[j]) if one < other else (spans[j], spans[i])
            if i == j or abs(one - other) > head.nearest or right[0] - left[1] > head.reach or not fits.any():
                continue
            middle = between[slice(*gap)].mean(0) if gap[0] < gap[1] else np.zeros(between.shape[1])
            step = int(np.searchsorted(BUCKETS, gap[1] - gap[0], side="right")) + (a <= c) * (
                len(BUCKETS) + 2
            )
            said = (
                source[a:b].mean(0) + target[c:d].mean(0) + middle + head.apart.weight[step].detach().numpy()
            )
            said += head.types.weight[kinds[kind] * len(head.kinds) + kinds[kind2]].detach().numpy()
            rows = np.maximum(said, 0)[None].astype(np.float32)
            logits = _linear(head.scores, np.maximum(_linear(head.mix, rows), 0))[0]
            probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
            for category in np.flatnonzero(fits & (probability >= head.thresholds)).tolist():
                found.append((i, j, category))
                sure.append(probability[category])
    return np.array(found, np.int32).reshape(-1, 3), np.array(sure, np.float32)


def classes(projected: Float, owned: Int, independent: bool) -> Float:
    """Probabilities averaged over windows by the tokens that they own."""
    logits = projected.astype(np.float64)
    each = 1 / (1 + np.exp(-logits)) if independent else np.exp(log_softmax(logits))
    return np.average(each, axis=0, weights=owned).astype(np.float32)


def log_softmax(logits: Scores) -> Scores:
    shifted: Scores = logits - logits.max(1, keepdims=True)
    result: Scores = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return result


def _linear(layer: nn.Linear, rows: Float) -> Float:
    weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))
    result: Float = rows @ weight.T + bias
    return result
