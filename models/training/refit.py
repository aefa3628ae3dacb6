"""Class heads learn once more, alone, on the finished trunk: all texts many times, and read only once.

Method: decoupled training (Kang et al. 2020, "Decoupling representation and classifier for long-tailed
recognition"): rare labels need more passes than the trunk can take.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.heads.bag import Bag
from models.heads.text_classes import TextClasses
from models.training.bagging import bag_of
from models.training.batch import collate
from models.training.examples import Example
from models.training.losses import class_loss
from models.training.model import Model, pool
from models.training.special import Special
from models.training.windows import Window, passages

TOKENS = 4096
EPOCHS, TEXTS, RATE, DECAY = 60, 128, 2e-3, 0.05
"""How often all texts are seen, how many at once, and AdamW's rate, which falls to nothing, and decay."""
SEEN, MIXED = 0.8, 0.7
"""Shares of the trunk's numbers, and of a head's own, that are not left out of a step."""
ALIKE = 1e-3
"""Least spread of a number over all passages that it is scaled by."""


@dataclass(frozen=True)
class _Read:
    """Passages [n, 2 · width], their tokens [n], and where each text's begin [texts + 1]."""

    pooled: Tensor
    sizes: Tensor
    bounds: Tensor

    def of(self, texts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Passages, sizes, and each one's text as a place in `texts`."""
        counts = self.bounds[texts + 1] - self.bounds[texts]
        bundle = torch.repeat_interleave(torch.arange(len(texts)), counts)
        within = torch.arange(len(bundle)) - (counts.cumsum(0) - counts)[bundle]
        rows = self.bounds[texts][bundle] + within
        return self.pooled[rows], self.sizes[rows], bundle


def refit(
    model: Model, examples: Sequence[Example], special: Special, limit: int, seed: int, pieces: int = 0
) -> None:
    """The heads of what `examples` have classes of, from new weights on. `limit`: tokens of a passage;
    `pieces`: so many word pieces count by themselves, half of what is told of a text."""
    read = _read(model, examples, special, limit)
    for name in sorted({task for own in examples for task in own.classes}):
        mine = torch.tensor([place for place, own in enumerate(examples) if name in own.classes])
        wanted = torch.stack([torch.from_numpy(examples[place].classes[name]) for place in mine.tolist()])
        head = model.heads[name]
        assert isinstance(head, TextClasses)
        head.bag = None
        _fit(head, read, mine, wanted, seed)
        if pieces:
            texts = [torch.from_numpy(examples[place].ids.astype(np.int64)) for place in mine.tolist()]
            _add(head, *bag_of(texts, wanted, head.independent, pieces))


def _add(head: TextClasses, bag: Bag, bias: Tensor) -> None:
    """Half of what the trunk tells, half of what the pieces do."""
    with torch.no_grad():
        head.classifier.weight.div_(2)
        head.classifier.bias.add_(bias.to(head.classifier.bias.device)).div_(2)
        bag.table.div_(2)
    head.bag = bag.to(head.classifier.bias.device)


@torch.no_grad()
def _read(model: Model, examples: Sequence[Example], special: Special, limit: int) -> _Read:
    model.eval()
    cut = [passages(own, limit, random.Random(place)) for place, own in enumerate(examples)]
    windows = [window for own in cut for window in own]
    order = sorted(range(len(windows)), key=lambda number: len(windows[number]))
    pooled = torch.zeros(len(windows), 2 * model.encoder.config.hidden_size)
    for numbers in _batches(order, windows):
        own = [(windows[number],) for number in numbers]
        batch = collate(own, special, model.scheme, 0.0, random.Random(0), still=True).to(model.device)
        rows = pool(model.hidden(batch).float(), batch.windows, len(numbers)).cpu()
        pooled[torch.tensor(numbers)[batch.bundle.cpu()]] = rows
    sizes = torch.tensor([len(window) for window in windows])
    return _Read(pooled, sizes, torch.tensor([0, *(len(own) for own in cut)]).cumsum(0))


def _batches(order: Sequence[int], windows: Sequence[Window]) -> list[list[int]]:
    """Neighbours in order, about `TOKENS` tokens together."""
    found: list[list[int]] = [[]]
    for number in order:
        if found[-1] and sum(len(windows[other]) for other in found[-1]) > TOKENS:
            found.append([])
        found[-1].append(number)
    return found


def _fit(head: TextClasses, read: _Read, texts: Tensor, wanted: Tensor, seed: int) -> None:
    """On numbers of one spread, which the first layer then has in its weights."""
    torch.manual_seed(seed)
    device = head.mix.weight.device
    head.to("cpu")
    head.mix.reset_parameters()
    head.classifier.reset_parameters()
    mean, spread = read.pooled.mean(0), read.pooled.std(0).clamp(min=ALIKE)
    steps = EPOCHS * -(-len(texts) // TEXTS)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    shown = _Shown(head)
    for _ in range(EPOCHS):
        for drawn in torch.chunk(torch.randperm(len(texts)), -(-len(texts) // TEXTS)):
            pooled, sizes, bundle = read.of(texts[drawn])
            known = torch.ones(len(drawn), dtype=torch.bool)
            loss = class_loss(shown, (pooled - mean) / spread, sizes, bundle, wanted[drawn], known)
            optimizer.zero_grad()
            (loss * int(sizes.sum()) / len(drawn)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            falling.step()
    with torch.no_grad():
        head.mix.weight.div_(spread)
        head.mix.bias.sub_(head.mix.weight @ mean)
    head.to(device)


class _Shown(TextClasses):
    """A head that sees a part of its numbers at each step."""

    def __init__(self, head: TextClasses) -> None:
        nn.Module.__init__(self)
        self.mix, self.classifier, self.independent = head.mix, head.classifier, head.independent

    def project(self, hidden: Tensor) -> Tensor:
        mixed = F.gelu(self.mix(F.dropout(hidden, 1 - SEEN)))
        logits: Tensor = self.classifier(F.dropout(mixed, 1 - MIXED))
        return logits
