"""One window through the trunk at many points at once, in batches of bounded size: under every method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.checkpoint import Checkpoint
from models.encoder import Encoder
from models.explaining.targets import Local, Targets

TOKENS = 2048
"""In one batch: enough to be at full speed; what a differentiated batch remembers grows with it."""

Bool = NDArray[np.bool_]


class Window(NamedTuple):
    """A window with its [CLS] and [SEP]: int32 ids, uint8 feature masks, and what is asked of it."""

    ids: NDArray[np.int32]
    features: NDArray[np.uint8]
    asked: Sequence[Local]


class Trunk:
    """A checkpoint's encoder and targets, in fp32. `between` is called before every batch; it may raise."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        encoder: Encoder,
        targets: Targets,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self.encoder, self._targets, self._between = encoder, targets, between
        self.device = encoder.words.weight.device
        self._tokenizer = checkpoint.tokenizer
        self._mask = self._piece("[MASK]", "[UNK]", "[PAD]")

    def standing_in(self, piece: str) -> Self:
        """The same, where masked tokens become another piece."""
        other = copy(self)
        other._mask = self._piece(piece, "[UNK]", "[PAD]")
        return other

    def embedded(self, window: Window, masked: Bool | None = None) -> Tensor:
        """What the tables say of a window's tokens, [tokens, width]; `masked` tokens are [MASK], and look
        like no word and no name."""
        ids, features = window.ids, window.features
        if masked is not None:
            ids, features = np.where(masked, np.int32(self._mask), ids), np.where(masked, 0, features)
        return self.encoder.embedded(self._put(ids), [len(ids)], self._put(features.astype(np.int32)))

    def scores(self, embedded: Tensor, window: Window) -> Tensor:
        """Scores float64 [points, asked] of embeddings [points, tokens, width], all in one batch."""
        self._between()
        points, tokens, width = embedded.shape
        hidden = self.encoder.norm(embedded.reshape(points * tokens, width))
        for layer in self.encoder.layers:
            hidden = layer(hidden, [tokens] * points)
        return self._targets(hidden.view(points, tokens, width), window.ids, window.asked)

    def together(self, window: Window, points: int) -> Iterator[slice]:
        """Parts of so many points, each small enough for one batch."""
        size = max(1, TOKENS // len(window.ids))
        for start in range(0, points, size):
            yield slice(start, min(start + size, points))

    @torch.no_grad()
    def masked_scores(self, window: Window, masked: Bool) -> NDArray[np.float64]:
        """Scores [points, asked] with the tokens `masked` bool [points, tokens] each time."""
        parts = []
        for part in self.together(window, len(masked)):
            embedded = torch.stack([self.embedded(window, own) for own in masked[part]])
            parts.append(self.scores(embedded, window).cpu().numpy())
        return np.concatenate([np.zeros((0, len(window.asked))), *parts])

    def _piece(self, *names: str) -> int:
        """The first that the vocabulary has."""
        found = (self._tokenizer.token_to_id(name) for name in names)
        return next((number for number in found if number is not None), 0)

    def _put(self, array: NDArray[np.int32]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def inner(window: Window) -> Bool:
    """[tokens]: all but [CLS] and [SEP]."""
    inside = np.ones(len(window.ids), np.bool_)
    inside[0] = inside[-1] = False
    return inside
