"""The trunk and the heads that are trained on it together, and what a batch costs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.checkpoint import Checkpoint
from models.encoder import Encoder
from models.features import FEATURES
from models.heads.assertion import Assertion
from models.heads.entities import Entities
from models.heads.relations import Relations
from models.heads.text_classes import TextClasses
from models.training.batch import Batch
from models.training.config import Sizes, TrainConfig
from models.training.dense import hidden_states, products_in
from models.training.losses import assertion_loss, class_loss, marginal_loss, relation_losses, soft_loss
from models.training.scheme import Scheme
from models.weights import load_encoder


class Model(nn.Module):
    """`heads` by their names in the checkpoint."""

    def __init__(
        self, base: Checkpoint, scheme: Scheme, sizes: Sizes, dtype: torch.dtype, dropout: float = 0.0
    ) -> None:
        super().__init__()
        shape = replace(base.encoder, features=FEATURES)
        self.encoder = Encoder(shape)
        self.encoder.load_state_dict(load_encoder(base).state_dict(), strict=False)
        assert self.encoder.features is not None
        if not base.encoder.features:
            nn.init.zeros_(self.encoder.features.weight)
        width = shape.hidden_size
        self.scheme = scheme
        self.dtype, self.dropout = dtype, dropout
        heads: dict[str, nn.Module] = {
            layer: Entities(width, categories) for layer, categories in scheme.layers.items()
        }
        if scheme.assertion and scheme.layers:
            heads["assertion"] = Assertion(width, sizes.assertion)
        if scheme.relations:
            heads["relations"] = Relations(
                width, sizes.relations, tuple(scheme.relations), scheme.kinds, scheme.joins()
            )
        for name, task in scheme.tasks.items():
            heads[name] = TextClasses(width, name, task.labels, task.independent, sizes.classes)
        self.heads = nn.ModuleDict(heads)

    @property
    def device(self) -> torch.device:
        return self.encoder.words.weight.device

    def hidden(self, batch: Batch) -> Tensor:
        """Hidden states of the real tokens [tokens, width]."""
        with products_in(self.dtype, batch.ids.device.type):
            dropout = self.dropout if self.training else 0.0
            rows = hidden_states(self.encoder, batch.ids, batch.features, batch.lengths, batch.real, dropout)
        return rows[batch.real]

    def losses(self, batch: Batch, tables: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By task; each is of about one size a token. `tables`: allowed tag sets, by layer."""
        hidden = self.hidden(batch)
        losses = {}
        for layer, tags in batch.tags.items():
            head = self.heads[layer]
            assert isinstance(head, Entities)
            losses[layer] = marginal_loss(head, hidden, tags, tables[layer])
            if layer in batch.soft:
                losses[f"{layer}-soft"] = soft_loss(head, hidden, *batch.soft[layer])
        heads = dict(self.heads.items())
        asserting, relating = heads.get("assertion"), heads.get("relations")
        if isinstance(asserting, Assertion):
            losses["assertion"] = assertion_loss(asserting, hidden, batch.judged, batch.values)
        if isinstance(relating, Relations):
            losses |= relation_losses(relating, hidden, batch.paired)
        if batch.classes:
            pooled = pool(hidden, batch.windows, len(batch.bundle))
            sizes = torch.bincount(batch.windows, minlength=len(batch.bundle))
            for name, (wanted, known) in batch.classes.items():
                head = self.heads[name]
                assert isinstance(head, TextClasses)
                losses[name] = class_loss(head, pooled, sizes, batch.bundle, wanted, known)
        return losses


def pool(hidden: Tensor, windows: Tensor, count: int) -> Tensor:
    """`hidden` [tokens, width] of windows in order → [windows, 2 · width]: first token beside the mean."""
    sizes = torch.bincount(windows, minlength=count)
    firsts = sizes.cumsum(0) - sizes
    sums = torch.zeros(count, hidden.shape[1], device=hidden.device).index_add(0, windows, hidden)
    return torch.cat([hidden[firsts], sums / sizes[:, None]], 1)


def weighted(losses: Mapping[str, Tensor], config: TrainConfig) -> Tensor:
    """One number to go down: each task by its weight."""
    parts = [config.weight(name) * loss for name, loss in losses.items()]
    return torch.stack(parts).sum()
