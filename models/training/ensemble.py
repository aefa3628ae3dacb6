"""Several checkpoints that answer as one: the mean of their probabilities.

Unlike merged ones they need neither one base nor one shape of trunk, only one vocabulary and label scheme;
they cost as much as all of them: to measure what is to be had, and to teach one (Hinton et al. 2015).
Of spans the probabilities of every token's tags are averaged and then read; so are those of labels, of values
of an assertion and of relations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from models.annotator import Annotator
from models.checkpoint import Checkpoint, open_checkpoint
from models.engine import Engine
from models.finish import Finish
from models.forward import Forward, Projected
from models.heads import AssertionHead, ClassesHead, Float, Int, RelationsHead
from models.heads.relations import Pairs, Relations
from models.reader import Reader
from models.reading import Reading
from models.requests import Passage
from models.training.merge import joint_heads, require_alike, shares_of
from models.weights import Heads

Split = Callable[[Tensor], tuple[Tensor, ...]]
"""Hidden states of all trunks → those of each."""
EDGE = 1e-7
"""Probabilities are kept so far from 0 and 1 where their logarithm is taken."""


class Ensemble(Annotator):
    """Annotates with several checkpoints at once, in fp32; all of them are in its records' fingerprint."""

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        device: str = "auto",
        weights: Sequence[float] | None = None,
        finish: Finish | None = None,
    ) -> None:
        """`weights`: how much each counts, none: all the same. Vectors of passages are left out: each trunk
        has its own space. Raises `CheckpointError` for checkpoints that are not alike."""
        members = [_without_vectors(own) for own in checkpoints]
        shares = shares_of(weights, len(members))
        require_alike(members, trunks=False)
        together = _together(members, shares)
        self._finish = finish or Finish.of(together)
        self._pipeline = self._finish.identity(together.pipeline)
        self._reader = Reader(together)
        self._engine: Engine = _Engine(together, members, device, shares)

    @classmethod
    def of(
        cls, checkpoints: Sequence[str | Path], device: str = "auto", weights: Sequence[float] | None = None
    ) -> Ensemble:
        """From folders or hub names."""
        return cls([open_checkpoint(path) for path in checkpoints], device, weights)

    def told(self, windows: Sequence[Passage]) -> Projected:
        """What a student learns from: logarithms of the mean probabilities of every tag of every token and of
        every label (of independent labels, log-odds). `hidden`: of all trunks, side by side."""
        return self._engine.forward(windows)


class _Engine(Engine):
    def __init__(
        self, together: Checkpoint, members: Sequence[Checkpoint], device: str, shares: Sequence[float]
    ) -> None:
        super().__init__(members[0], device)
        others = [Forward(member, self.device) for member in members[1:]]
        thresholds = [head.get("thresholds") for head in together.heads if head["kind"] == "relations"]
        widths = [member.encoder.hidden_size for member in members]
        self.forward = _Mean(
            [self.forward, *others],
            shares,
            lambda hidden: torch.split(hidden, widths, 1),
            thresholds[0] if thresholds else None,
        )
        self._reading = Reading(self.forward.heads, together.word_start, self.forward.device)
        self._limit = min(member.window for member in members) - 2
        self._overlap = min(member.overlap for member in members)


class _Mean(Forward):
    """The forward passes of several checkpoints as one. The first's heads read what is averaged here."""

    def __init__(
        self,
        members: Sequence[Forward],
        shares: Sequence[float],
        split: Split,
        thresholds: Sequence[float] | None,
    ) -> None:
        first = members[0]
        self.precision, self.device = first.precision, first.device
        self._members, self._shares = members, shares
        asserting = [own.heads.assertion for own in members if own.heads.assertion is not None]
        relating = [cast(Relations, own.heads.relations) for own in members if own.heads.relations]
        assertion = _MeanAssertion(asserting, shares, split) if asserting else None
        relations = _MeanRelations(relating, shares, split, thresholds) if relating else None
        self.heads = Heads(
            first.heads.spans,
            cast(AssertionHead | None, assertion),
            cast(RelationsHead | None, relations),
            first.heads.classes,
        )

    @torch.inference_mode()
    def __call__(self, windows: Sequence[Passage]) -> Projected:
        read = [member(windows) for member in self._members]
        spans = [
            _mean([rows.softmax(1) for rows in layer], self._shares).clamp(min=EDGE).log()
            for layer in zip(*(own.spans for own in read), strict=True)
        ]
        classes = [
            self._labels(head, rows)
            for head, *rows in zip(self.heads.classes, *(own.classes for own in read), strict=True)
        ]
        hidden = torch.cat([own.hidden.float() for own in read], 1)
        return Projected(read[0].ids, read[0].ends, hidden, spans, classes)

    def _labels(self, head: ClassesHead, rows: Sequence[Tensor]) -> Tensor:
        if getattr(head, "independent", False):
            return _mean([own.sigmoid() for own in rows], self._shares).logit(EDGE)
        return _mean([own.softmax(1) for own in rows], self._shares).clamp(min=EDGE).log()


class _MeanAssertion:
    reads: Literal["assertion"] = "assertion"

    def __init__(self, heads: Sequence[AssertionHead], shares: Sequence[float], split: Split) -> None:
        self._heads, self._shares, self._split = heads, shares, split

    def project(self, hidden: Tensor) -> Tensor:
        """As it is: each trunk's part has its own projection."""
        return hidden

    def read(self, projected: Tensor, lengths: Int) -> Float:
        own = zip(self._heads, self._split(projected), strict=True)
        read = np.stack([head.read(head.project(rows), lengths) for head, rows in own])
        mean: Float = np.average(read, axis=0, weights=self._shares).astype(np.float32)
        return mean


class _MeanRelations(Relations):
    """Reads as one head does; only what it thinks of a pair is the mean."""

    def __init__(
        self,
        heads: Sequence[Relations],
        shares: Sequence[float],
        split: Split,
        thresholds: Sequence[float] | None,
    ) -> None:
        nn.Module.__init__(self)
        first = heads[0]
        self.categories, self.kinds, self.joins = first.categories, first.kinds, first.joins
        self.reach, self.nearest = first.reach, first.nearest
        self.thresholds = first.thresholds if thresholds is None else np.array(thresholds, np.float32)
        self._members, self._shares, self._split = tuple(heads), shares, split

    def judge(
        self, hidden: Tensor, spans: Int, kinds: Int, pairs: Pairs, window: Int | None = None
    ) -> Tensor:
        own = zip(self._members, self._split(hidden), strict=True)
        said = [head.judge(rows.contiguous(), spans, kinds, pairs, window).sigmoid() for head, rows in own]
        return _mean(said, self._shares).logit(EDGE)


def _mean(parts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    return torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum(0)


def _without_vectors(checkpoint: Checkpoint) -> Checkpoint:
    return checkpoint.with_heads([str(h["name"]) for h in checkpoint.heads if h["kind"] != "embedding"])


def _together(members: Sequence[Checkpoint], shares: Sequence[float]) -> Checkpoint:
    """What reads the answers: the first, with the mean of the thresholds and no curves."""
    told = " ".join(f"{own.fingerprint}*{share:.6f}" for own, share in zip(members, shares, strict=True))
    return replace(
        members[0],
        name="ensemble of " + ", ".join(dict.fromkeys(own.name for own in members)),
        version=" + ".join(own.version for own in members),
        fingerprint=hashlib.sha256(f"ensemble {told}".encode()).hexdigest()[:16],
        heads=tuple(joint_heads(members, shares)),
    )
