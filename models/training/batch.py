"""Bundles of windows → the tensors of one step.

Windows are put in order of their length and padded to a multiple of a grain, so that attention runs over
groups of windows of one length; `real` says which rows are tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.features import CAPITALISED, CAPITALS, LOWER, MIXED
from models.heads.relations import candidates
from models.training.examples import NOTHING, VALUES, Ends
from models.training.scheme import Scheme
from models.training.special import Special
from models.training.windows import Bundle, Window

GRAIN, CUDA_GRAIN = 16, 64
WHOLE = 4096
"""In a document of which relations are said as a whole, every pair counts."""


@dataclass(frozen=True)
class Paired:
    """Pairs of spans that may be related. Rows are those of the tokens without padding.

    `spans` [m, 2], `kinds` [m], `pairs` [p, 2]; `wanted`, `known` [p, relations]: what holds, and what of it
    is known. `groups` [p]: which pairs speak of the same codes, −1 for those that do not; `whole` [g]: what
    holds of each group; its relation in `relation` [g].
    """

    spans: NDArray[np.int32]
    kinds: NDArray[np.int32]
    pairs: NDArray[np.int64]
    wanted: Tensor
    known: Tensor
    groups: Tensor
    whole: Tensor
    relation: Tensor

    def to(self, device: torch.device) -> Paired:
        """Tensors on a device; places and pairs stay where they are counted."""
        names = ("wanted", "known", "groups", "whole", "relation")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


@dataclass(frozen=True)
class Batch:
    """`ids`, `features` [rows]; `lengths`: of the padded windows, adding up to the rows; `real` bool [rows].

    Of the real tokens only, in their order: `tags` by layer [tokens]; `soft` by layer [k, tags], and which k
    tokens these are; `judged` [m, 2] and `values` [m, 13]; `windows` [tokens]: each token's window.
    `bundle` [windows]: which bundle each is of; `classes`: by task bool [bundles, labels] and bool [bundles],
    whether it is known.
    """

    ids: Tensor
    features: Tensor
    lengths: list[int]
    real: Tensor
    tags: dict[str, Tensor]
    judged: Tensor
    values: Tensor
    windows: Tensor
    bundle: Tensor
    classes: dict[str, tuple[Tensor, Tensor]]
    paired: Paired | None
    soft: dict[str, tuple[Tensor, Tensor]]

    @property
    def tokens(self) -> int:
        return len(self.windows)

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        names = ("ids", "features", "real", "judged", "values", "windows", "bundle")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        return replace(
            self,
            **moved,
            tags={layer: own.to(device, non_blocking=True) for layer, own in self.tags.items()},
            soft={layer: (a.to(device), b.to(device)) for layer, (a, b) in self.soft.items()},
            classes={task: (a.to(device), b.to(device)) for task, (a, b) in self.classes.items()},
            paired=self.paired and self.paired.to(device),
        )


def collate(
    bundles: Sequence[Bundle],
    special: Special,
    scheme: Scheme,
    masked: float,
    chance: random.Random,
    still: bool = False,
    grain: int = GRAIN,
) -> Batch:
    """`masked`: share of the tokens that are hidden, so that the words around them must do. `still`: texts
    stay as they are written."""
    order = sorted(
        ((window, number) for number, own in enumerate(bundles) for window in own),
        key=lambda own: len(own[0]),
    )
    windows = [window for window, _ in order]
    sizes = [len(window) for window in windows]
    padded = [-(-size // grain) * grain for size in sizes]
    starts = np.cumsum([0, *sizes[:-1]]) + 1  # of a window's own tokens, after its [CLS]
    judged = [
        (own.start + at - window.start, own.stop + at - window.start, own.values)
        for window, at in zip(windows, starts.tolist(), strict=True)
        for own in window.example.judged
        if window.start <= own.start and own.stop <= window.stop
    ]
    return Batch(
        ids=torch.from_numpy(_ids(windows, padded, special, masked, chance)),
        features=torch.from_numpy(_features(windows, padded, None if still else chance)),
        lengths=padded,
        real=torch.from_numpy(np.concatenate([np.arange(p) < s for s, p in zip(sizes, padded, strict=True)])),
        tags={layer: torch.from_numpy(_tags(windows, layer)) for layer in scheme.layers},
        judged=torch.tensor([own[:2] for own in judged], dtype=torch.long).reshape(-1, 2),
        values=torch.from_numpy(np.array([own[2] for own in judged]).reshape(-1, len(VALUES)).astype(bool)),
        windows=torch.from_numpy(np.repeat(np.arange(len(windows)), sizes)),
        bundle=torch.tensor([number for _, number in order]),
        classes={name: _classes(bundles, name, len(task.labels)) for name, task in scheme.tasks.items()},
        paired=_paired(windows, starts, scheme, chance) if scheme.relations else None,
        soft={layer: soft for layer in scheme.layers if (soft := _soft(windows, starts, layer)) is not None},
    )


def _ids(
    windows: Sequence[Window], padded: Sequence[int], special: Special, masked: float, chance: random.Random
) -> NDArray[np.int64]:
    draw = np.random.default_rng(chance.getrandbits(64))
    parts = []
    for window, size in zip(windows, padded, strict=True):
        own = window.example.ids[window.start : window.stop].astype(np.int64)
        own = np.where(draw.random(len(own)) < masked, special.mask, own)
        filling = np.full(size - len(own) - 2, special.pad)
        parts.append(np.concatenate([[special.cls], own, [special.sep], filling]))
    return np.concatenate(parts)


def _features(
    windows: Sequence[Window], padded: Sequence[int], chance: random.Random | None
) -> NDArray[np.int64]:
    parts = [
        np.pad(_recased(w.example.features[w.start : w.stop], chance), (1, size - len(w) + 1))
        for w, size in zip(windows, padded, strict=True)
    ]
    return np.concatenate(parts).astype(np.int64)


def _recased(features: NDArray[np.uint8], chance: random.Random | None) -> NDArray[np.uint8]:
    """Now and then a passage all in capitals, all in lower case, or without dictionary: notes are so."""
    draw = chance.random() if chance else 1.0
    if draw > 0.15:
        return features
    if draw > 0.10:
        return features & np.uint8(7)
    case = features & np.uint8(7)
    letters = (case >= LOWER) & (case <= MIXED)
    assert LOWER < CAPITALISED < CAPITALS < MIXED
    replaced = np.where(letters, CAPITALS if draw > 0.05 else LOWER, case)
    return ((features & np.uint8(0x78)) | replaced).astype(np.uint8)


def _tags(windows: Sequence[Window], layer: str) -> NDArray[np.int64]:
    parts = []
    for window in windows:
        own = window.example.tags.get(layer)
        inner = np.full(len(window) - 2, NOTHING) if own is None else own[window.start : window.stop]
        parts.append(np.pad(inner, 1, constant_values=NOTHING))
    return np.concatenate(parts).astype(np.int64)


def _soft(windows: Sequence[Window], starts: NDArray[np.int64], layer: str) -> tuple[Tensor, Tensor] | None:
    rows, places = [], []
    for window, at in zip(windows, starts.tolist(), strict=True):
        own = window.example.soft.get(layer)
        if own is not None:
            rows.append(own[window.start : window.stop])
            places.append(np.arange(at, at + window.stop - window.start))
    if not rows:
        return None
    return torch.from_numpy(np.concatenate(rows)).float(), torch.from_numpy(np.concatenate(places))


def _classes(bundles: Sequence[Bundle], task: str, labels: int) -> tuple[Tensor, Tensor]:
    own = [bundle[0].example.classes.get(task) for bundle in bundles]
    nothing = np.zeros(labels, np.bool_)
    rows = np.stack([nothing if row is None else row for row in own])
    return torch.from_numpy(rows), torch.tensor([row is not None for row in own])


class _Gathered:
    """Spans, pairs and groups of a batch, window by window."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.joins = scheme.joins()
        self.spans: list[NDArray[np.int32]] = []
        self.kinds: list[NDArray[np.int32]] = []
        self.pairs: list[NDArray[np.int64]] = []
        self.wanted: list[NDArray[np.bool_]] = []
        self.known: list[NDArray[np.bool_]] = []
        self.groups: list[NDArray[np.int64]] = []
        self.whole: list[tuple[bool, int]] = []
        self.count = 0

    def add(self, window: Window, ends: Ends, at: int, chance: random.Random) -> None:
        inside = (ends.tokens[:, 0] >= window.start) & (ends.tokens[:, 1] <= window.stop)
        which = np.flatnonzero(inside)
        which = which[np.argsort(ends.tokens[which, 0], kind="stable")]
        if len(which) < 2:
            return
        tokens = ends.tokens[which] - window.start
        kinds = np.array([chance.choice(np.flatnonzero(row).tolist()) for row in ends.kinds[which]], np.int32)
        said_as_whole = bool(ends.code_gold) or not ends.related.any()
        reach = WHOLE if said_as_whole else 100
        fits = np.any(self.joins, axis=0)
        pairs = candidates(
            tokens, np.zeros(len(which), np.int32), lambda i, j: fits[kinds[i], kinds[j]], reach, WHOLE
        )
        if not len(pairs):
            return
        joined = self.joins[:, kinds[pairs[:, 0]], kinds[pairs[:, 1]]].T
        wanted = np.zeros_like(joined)
        numbers = which[pairs].tolist()
        for row, (source, target) in enumerate(numbers):
            for category in np.flatnonzero(joined[row]):
                wanted[row, category] = (source, target, int(category)) in ends.gold
        groups = np.full(len(pairs), -1, np.int64)
        if said_as_whole:
            groups = self._grouped(numbers, joined, ends)
        self.spans.append((tokens + at).astype(np.int32))
        self.kinds.append(kinds)
        self.pairs.append(pairs + self.count)
        self.wanted.append(wanted)
        self.known.append(joined & ends.related)
        self.groups.append(groups)
        self.count += len(which)

    def _grouped(self, numbers: list[list[int]], joined: NDArray[np.bool_], ends: Ends) -> NDArray[np.int64]:
        """Pairs by the codes they speak of; spans without a code speak of nothing."""
        groups = np.full(len(numbers), -1, np.int64)
        known: dict[tuple[int, str, str], int] = {}
        for row, (source, target) in enumerate(numbers):
            for one in ends.codes[source][:1]:
                for other in ends.codes[target][:1]:
                    key = (int(joined[row].argmax()), one, other)
                    if key not in known:
                        known[key] = len(self.whole)
                        self.whole.append((key in ends.code_gold, key[0]))
                    groups[row] = known[key]
        return groups


def _paired(
    windows: Sequence[Window], starts: NDArray[np.int64], scheme: Scheme, chance: random.Random
) -> Paired | None:
    gathered = _Gathered(scheme)
    for window, at in zip(windows, starts.tolist(), strict=True):
        if window.example.ends is not None:
            gathered.add(window, window.example.ends, at, chance)
    if not gathered.pairs:
        return None
    return Paired(
        spans=np.concatenate(gathered.spans),
        kinds=np.concatenate(gathered.kinds),
        pairs=np.concatenate(gathered.pairs),
        wanted=torch.from_numpy(np.concatenate(gathered.wanted)),
        known=torch.from_numpy(np.concatenate(gathered.known)),
        groups=torch.from_numpy(np.concatenate(gathered.groups)),
        whole=torch.tensor([holds for holds, _ in gathered.whole], dtype=torch.bool),
        relation=torch.tensor([relation for _, relation in gathered.whole], dtype=torch.long),
    )


def groups_of(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring windows of one length: first row, number of windows, length."""
    first = at = 0
    while at < len(lengths):
        stop = at
        while stop < len(lengths) and lengths[stop] == lengths[at]:
            stop += 1
        yield first, stop - at, lengths[at]
        first += (stop - at) * lengths[at]
        at = stop
