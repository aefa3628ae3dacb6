"""Examples → the windows of an epoch: passages as the encoder will see them, in batches of about one size.

A bundle is what stays together: one window, or several of one text whose classes are asked of all of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from models.training.examples import Example

GROUPS = (1, 1, 2, 3, 4, 5, 6, 8)
"""How many sentences make a passage: drawn from these."""
TOGETHER = 6
"""Passages of a text whose classes are asked at once, at most."""
BUNDLE_TOKENS = 640


@dataclass(frozen=True)
class Window:
    """Tokens `start:stop` of an example, without [CLS] and [SEP]."""

    example: Example
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start + 2


Bundle = tuple[Window, ...]


def passages(example: Example, limit: int, chance: random.Random) -> list[Window]:
    """The whole example as passages of consecutive sentences, of at most `limit` tokens."""
    windows = []
    at = 0
    while at < len(example.cuts) - 1:
        start = example.cuts[at]
        at = min(at + chance.choice(GROUPS), len(example.cuts) - 1)
        while example.cuts[at] - start > limit and example.cuts[at - 1] > start:
            at -= 1
        stop = example.cuts[at]
        windows += [Window(example, a, min(a + limit, stop)) for a in range(start, stop, limit)]
    return windows


def bundles(example: Example, limit: int, longest: int, whole: float, chance: random.Random) -> list[Bundle]:
    """Of one example in one epoch. With the chance of `whole` as one window of up to `longest` tokens."""
    if not len(example.ids):
        return []
    if example.classes:
        own = passages(example, limit, chance)
        chance.shuffle(own)
        kept: list[Window] = []
        size = 0
        for window in own[:TOGETHER]:
            if not kept or size + len(window) <= BUNDLE_TOKENS:
                kept.append(window)
                size += len(window)
        return [tuple(kept)]
    if chance.random() < whole:
        stops = range(0, len(example.ids), longest)
        return [(Window(example, a, min(a + longest, len(example.ids))),) for a in stops]
    return [(window,) for window in passages(example, limit, chance)]


def batches(drawn: Sequence[Bundle], tokens: int, chance: random.Random) -> list[list[Bundle]]:
    """Bundles in random order, cut into batches of about `tokens` tokens."""
    order = list(drawn)
    chance.shuffle(order)
    cut: list[list[Bundle]] = [[]]
    size = 0
    for bundle in order:
        length = sum(map(len, bundle))
        if cut[-1] and size + length > tokens:
            cut.append([])
            size = 0
        cut[-1].append(bundle)
        size += length
    return cut
