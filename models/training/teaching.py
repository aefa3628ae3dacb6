"""Teachers tell a student how probable they find each tag, of labelled texts and of others.

Method: distillation of an ensemble (Hinton et al. 2015): the mean of the teachers' probabilities, in passages
of several sentences, as the engine would see them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.heads.entities import Entities
from models.training.batch import collate
from models.training.examples import Example, Ints
from models.training.model import Model
from models.training.special import Special
from models.training.windows import Window, passages

TOKENS = 4096
LEAST = 1e-3
"""Below this, what teachers find probable within the labels says nothing."""


def taught(
    examples: Sequence[Example],
    teachers: Sequence[Model],
    special: Special,
    limit: int,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    tables: Mapping[str, Tensor] = MappingProxyType({}),
) -> list[Example]:
    """The examples with what the teachers say of every token, in every layer. `limit`: tokens of a window.

    `tables`: by layer, the tag sets that the examples' tags number; where a label forbids a tag, teachers
    do not speak of it.
    """
    found = [
        replace(
            own,
            soft={
                layer: np.zeros((len(own.ids), 1 + 2 * len(categories)), np.float16)
                for layer, categories in teachers[0].scheme.layers.items()
            },
        )
        for own in examples
    ]
    windows = [w for own in found for w in passages(own, limit, random.Random(0))]
    windows.sort(key=len)
    done = 0
    for batch in _batches(windows):
        _tell(batch, teachers, special)
        done += len(batch)
        on_progress(done, len(windows))
    for own in found:
        for layer, tags in own.tags.items():
            if layer in tables:
                _keep_to(own.soft[layer], tags, tables[layer].numpy())
    return found


def _keep_to(soft: NDArray[np.float16], tags: Ints, table: NDArray[np.bool_]) -> None:
    """`soft` [tokens, tags] within what the labels allow; all of it where teachers see nothing of that."""
    known = np.flatnonzero(tags >= 0)
    allowed = table[tags[known]]
    kept = soft[known].astype(np.float32) * allowed
    nothing = kept.sum(1, keepdims=True) < LEAST
    kept = np.where(nothing, allowed, kept)
    soft[known] = kept / kept.sum(1, keepdims=True)


def _batches(windows: Sequence[Window]) -> list[list[Window]]:
    """Neighbours in order of length, about `TOKENS` tokens together."""
    ends = np.cumsum([len(window) for window in windows]) // TOKENS
    return [
        [window for window, _ in own] for _, own in groupby(zip(windows, ends, strict=True), lambda w: w[1])
    ]


@torch.no_grad()
def _tell(windows: Sequence[Window], teachers: Sequence[Model], special: Special) -> None:
    scheme = teachers[0].scheme
    batch = collate([(w,) for w in windows], special, scheme, 0.0, random.Random(0), still=True)
    order = torch.argsort(batch.bundle).tolist()  # the batch has put them in order of length
    sizes = torch.bincount(batch.windows, minlength=len(windows))
    starts = (sizes.cumsum(0) - sizes).tolist()
    sums: dict[str, torch.Tensor] = {}
    for teacher in teachers:
        teacher.eval()
        hidden = teacher.hidden(batch.to(teacher.device))
        for layer in scheme.layers:
            head = teacher.heads[layer]
            assert isinstance(head, Entities)
            probability = head.project(hidden).softmax(1) / len(teachers)
            sums[layer] = sums[layer] + probability if layer in sums else probability
    told = {layer: rows.cpu().numpy().astype(np.float16) for layer, rows in sums.items()}
    for number, window in enumerate(windows):
        first = starts[order[number]] + 1
        for layer, rows in told.items():
            own = rows[first : first + window.stop - window.start]
            window.example.soft[layer][window.start : window.stop] = own
