"""How well a model in training reads what it does not learn from: quick, on tokens, without the rules.

For choosing when to stop and for looking on; the figures of a checkpoint are `models.evaluation`'s.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.corpora.scheme import Document
from models.heads.assertion import SIZES, Assertion
from models.heads.entities import Entities
from models.heads.relations import Relations
from models.heads.text_classes import TextClasses
from models.training.batch import Batch, collate
from models.training.config import TrainConfig
from models.training.examples import Example, Preparer
from models.training.losses import grouped_logsumexp
from models.training.material import Material
from models.training.model import Model, pool
from models.training.special import Special
from models.training.windows import Bundle, batches, bundles, passages

TOKENS = 4096
SENTENCES = 6


@dataclass
class Count:
    """Gold, found and right."""

    gold: int = 0
    found: int = 0
    right: int = 0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.gold + self.found) if self.gold + self.found else 0.0

    def add(self, gold: int, found: int, right: int) -> None:
        self.gold, self.found, self.right = self.gold + gold, self.found + found, self.right + right


class Validation:
    """`examples`: by corpus."""

    def __init__(
        self,
        preparer: Preparer,
        examples: Mapping[str, Sequence[Example]],
        special: Special,
        word_start: NDArray[np.bool_],
        limit: int,
        longest: int,
    ) -> None:
        self._preparer, self._special, self._word_start = preparer, special, word_start
        chance = random.Random(0)
        self._bundles = {
            name: [bundle for example in own for bundle in _read(example, limit, longest, chance)]
            for name, own in examples.items()
        }

    @classmethod
    def of(
        cls,
        material: Material,
        documents: Mapping[str, Sequence[Document]],
        word_start: NDArray[np.bool_],
        config: TrainConfig,
    ) -> Self:
        """Of documents by corpus, prepared as the material is."""
        preparer = material.preparer
        examples = {name: preparer.prepare(own) for name, own in documents.items()}
        return cls(preparer, examples, material.special, word_start, config.window - 2, config.longest)

    @torch.no_grad()
    def __call__(self, model: Model) -> dict[str, float]:
        """Figures by "corpus task", each 0…1, more is better."""
        model.eval()
        counts: dict[str, Count] = defaultdict(Count)
        for name, own in self._bundles.items():
            for drawn in batches(own, TOKENS, random.Random(0)):
                batch = collate(drawn, self._special, model.scheme, 0.0, random.Random(1), still=True)
                hidden = model.hidden(batch.to(model.device))
                for task, gold, found, right in self._counted(model, batch, drawn, hidden):
                    counts[f"{name} {task}"].add(gold, found, right)
        model.train()
        return {name: count.f1 for name, count in sorted(counts.items()) if count.gold}

    def _counted(
        self, model: Model, batch: Batch, drawn: Sequence[Bundle], hidden: Tensor
    ) -> Iterator[tuple[str, int, int, int]]:
        for layer, tags in batch.tags.items():
            if not (tags >= 0).any():
                continue
            yield layer, *self._spans(model, batch, layer, tags, hidden)
        if "assertion" in model.heads and len(batch.judged):
            yield from _assertions(model.heads["assertion"], batch, hidden)
        if "relations" in model.heads and batch.paired is not None:
            yield from _relations(model.heads["relations"], batch, hidden)
        if batch.classes:
            yield from _classes(model, batch, hidden)

    def _spans(
        self, model: Model, batch: Batch, layer: str, tags: Tensor, hidden: Tensor
    ) -> tuple[int, int, int]:
        head = model.heads[layer]
        assert isinstance(head, Entities)
        ids = batch.ids[batch.real].numpy()
        outside = (ids == self._special.cls) | (ids == self._special.sep)
        found, _ = head.read(head.project(hidden), self._word_start[ids], outside)
        table = self._preparer.sets[layer].table().numpy()
        return spans_right(found, tags.numpy(), table, len(head.categories))


def spans_right(
    found: NDArray[np.int32], tags: NDArray[np.int64], table: NDArray[np.bool_], kinds: int
) -> tuple[int, int, int]:
    """Gold, found and right spans of tokens whose tags are rows of `table`, −1 where nothing is known.

    Gold spans begin where only B is allowed. What is found where nothing or anything may be is not counted.
    """
    allowed = table[np.maximum(tags, 0)]
    opens = (tags >= 0) & ~allowed[:, 0] & ~allowed[:, 1 + kinds :].any(1)
    inside = (tags >= 0) & ~allowed[:, 0] & ~allowed[:, 1 : 1 + kinds].any(1)
    starts = np.flatnonzero(opens)
    gold = {}
    for start in starts.tolist():
        stop = start + 1
        while stop < len(tags) and inside[stop]:
            stop += 1
        gold[start] = stop
    right = counted = 0
    for start, stop, kind in found.tolist():
        own = allowed[start:stop]
        if (tags[start:stop] < 0).any() or own.all(1).any():
            continue
        begins_free, others_free = own[0, 1 + kind] and own[0, 0], own[1:, 1 + kinds + kind] & own[1:, 0]
        if begins_free and others_free.all():
            continue  # a category that this text is not labelled with
        counted += 1
        right += gold.get(start) == stop and bool(allowed[start, 1 + kind])
    return len(gold), counted, right


def _assertions(head: object, batch: Batch, hidden: Tensor) -> Iterator[tuple[str, int, int, int]]:
    """The values that are not the usual one of their axis, together, by axis."""
    assert isinstance(head, Assertion)
    spans = batch.judged.numpy()
    rows = torch.from_numpy(np.concatenate([np.arange(a, b) for a, b in spans])).to(hidden.device)
    lengths = (spans[:, 1] - spans[:, 0]).astype(np.int32)
    probability = head.read(head.project(hidden[rows]), lengths)
    values = batch.values.numpy()
    at = 0
    for axis, size in zip(("certainty", "conditionality", "association", "temporality"), SIZES, strict=True):
        left, said = values[:, at : at + size], probability[:, at : at + size].argmax(1)
        known = ~left.all(1)
        usual = left[:, 0]
        gold, found = known & ~usual, known & (said > 0)
        right = gold & left[np.arange(len(said)), said]
        yield axis, int(gold.sum()), int(found.sum()), int(right.sum())
        at += size


def _relations(head: object, batch: Batch, hidden: Tensor) -> Iterator[tuple[str, int, int, int]]:
    assert isinstance(head, Relations)
    paired = batch.paired
    assert paired is not None
    logits = head.judge(head.project(hidden), paired.spans, paired.kinds, paired.pairs).cpu()
    said = (logits > 0) & paired.known
    yield (
        "relations",
        int(paired.wanted[paired.known].sum()),
        int(said.sum()),
        int((said & paired.wanted).sum()),
    )
    if len(paired.whole):
        spoken = paired.groups >= 0
        groups = paired.groups[spoken]
        own = logits[spoken].gather(1, paired.relation[groups][:, None])[:, 0]
        whole = grouped_logsumexp(own, groups, len(paired.whole)) > 0
        right = int((whole & paired.whole).sum())
        yield "documents", int(paired.whole.sum()), int(whole.sum()), right


def _classes(model: Model, batch: Batch, hidden: Tensor) -> Iterator[tuple[str, int, int, int]]:
    pooled = pool(hidden, batch.windows.to(hidden.device), len(batch.bundle))
    sizes = torch.bincount(batch.windows, minlength=len(batch.bundle)).float()[:, None]
    for name, (wanted, known) in batch.classes.items():
        head = model.heads[name]
        assert isinstance(head, TextClasses)
        own = head.project(pooled).cpu()
        own = own if head.independent else own.softmax(1)  # as `models.wholes` has it
        whole = torch.zeros(len(known), wanted.shape[1]).index_add(0, batch.bundle, own * sizes)
        if head.independent:
            said = whole > 0
        else:
            said = torch.nn.functional.one_hot(whole.argmax(1), wanted.shape[1]).bool()
        said &= known[:, None]
        yield name, int(wanted[known].sum()), int(said.sum()), int((said & wanted).sum())


def _read(example: Example, limit: int, longest: int, chance: random.Random) -> list[Bundle]:
    """Texts that have classes in all their passages, as a note is read; documents of which relations are said
    as a whole in as few windows as hold them."""
    if example.classes and len(example.ids):
        return [tuple(passages(example, limit, chance))]
    whole = example.ends is not None and bool(example.ends.code_gold)
    return bundles(example, limit, longest, float(whole), chance)
