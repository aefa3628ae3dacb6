"""Attention rollout (Abnar and Zuidema 2020): which tokens flow into those that a target is read from.

Attention is averaged over heads, half of it is the residual's own, and layers are multiplied. It says where
a target looks, not whether that speaks for it or against it: weights are shares, never below 0, and the same
for all that is read from the same tokens.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.encoder import Layer
from models.explaining.gradients import Attributed
from models.explaining.questions import LABEL
from models.explaining.trunk import Trunk, Window


@torch.no_grad()
def rolled(trunk: Trunk, window: Window) -> Attributed:
    """Shares float64 [asked, tokens], each row summing to 1 with [CLS]'s and [SEP]'s; no baselines."""
    flow = flows(trunk, window)
    weights = np.stack([_rows(flow, local.kind, local.first, local.end) for local in window.asked])
    scores = trunk.masked_scores(window, np.zeros((1, len(window.ids)), np.bool_))[0]
    return Attributed(weights, scores, np.full(len(scores), np.nan))


def flows(trunk: Trunk, window: Window) -> NDArray[np.float64]:
    """[tokens, tokens]: of each token's last state, the share that came from each token's first."""
    encoder, tokens = trunk.encoder, len(window.ids)
    hidden = encoder.norm(trunk.embedded(window))
    flow = torch.eye(tokens, dtype=torch.float64, device=hidden.device)
    for layer in encoder.layers:
        assert isinstance(layer, Layer)
        flow = (0.5 * _attention(layer, hidden) + 0.5 * torch.eye(tokens).to(flow)) @ flow
        hidden = layer(hidden, [tokens])
    found: NDArray[np.float64] = flow.cpu().numpy()
    return found


def _attention(layer: Layer, hidden: Tensor) -> Tensor:
    """[tokens, tokens]: how much each token attends to each, the mean over heads."""
    tokens, width = hidden.shape
    q, k, _ = layer.qkv(hidden).view(tokens, 3, layer.heads, width // layer.heads).permute(1, 2, 0, 3)
    attention = (q @ k.transpose(1, 2)) / (width // layer.heads) ** 0.5
    shares: Tensor = attention.softmax(-1).mean(0).double()
    return shares


def _rows(flow: NDArray[np.float64], kind: int, first: int, end: int) -> NDArray[np.float64]:
    """Of the tokens that a target is read from: its own; [CLS] for a class."""
    own: NDArray[np.float64] = flow[0] if kind == LABEL else flow[first:end].mean(0)
    return own
