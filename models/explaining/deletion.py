"""Whether the words that an explanation names matter: they, or all others, are deleted (DeYoung et al. 2020).

Comprehensiveness: by how much a target gets less probable without its k strongest words; sufficiency: by how
much with nothing but them. Both beside what k random words do to the same target. Deleted words become
`[MASK]`, or another piece, so that an explanation by masking can be tested by something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.explaining.explain import Explainer
from models.explaining.perturbation import Masking
from models.explaining.questions import ASSERTION, LABEL, SPAN
from models.explaining.targets import Local
from models.explaining.trunk import Trunk, Window
from models.explanation import Method
from models.types import AXES, Annotation, Note

WORDS = 3
"""Deleted at once."""
DRAWS = 10
"""Of random words, for every target."""
FLIPS = 20_000
SURE = 0.5
"""Targets that the encoder itself finds less probable are left out: something else decided them."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Drop:
    """What became of one target's probability. `group`: what kind of target; `note`: a number.

    `without_top`, `without_random`: how much it lost with k words deleted; `only_top`, `only_random`: with
    all others deleted. Random: the mean of several draws.
    """

    note: int
    group: str
    without_top: float
    without_random: float
    only_top: float
    only_random: float


@dataclass(frozen=True)
class Tested:
    """Of a group of targets: mean drops, and how probable so large a mean difference between top and random
    is by chance (`p`, one-sided; notes' signs flipped at random, as targets of one note are not independent).
    """

    group: str
    targets: int
    notes: int
    comprehensiveness: float
    comprehensiveness_random: float
    comprehensiveness_p: float
    sufficiency: float
    sufficiency_random: float
    sufficiency_p: float


def drops(
    explainer: Explainer,
    notes: Sequence[tuple[Note, Annotation]],
    method: Method,
    *,
    k: int = WORDS,
    context_only: bool = False,
    stand_in: str = "[MASK]",
    most: int = 12,
) -> Iterator[Drop]:
    """Target by target, at most so many of a note, drawn at random. `context_only`: a target's own words are
    never deleted, nor counted. `stand_in`: the piece that deleted words become."""
    test = _Test(explainer, method, k, context_only, explainer.trunk.standing_in(stand_in))
    for number, (note, annotation) in enumerate(notes):
        asked = explainer.asking.ask(note, annotation)
        drawn = test.rng.permutation(len(asked.questions))[:most]
        for place, passage in enumerate(asked.pieces):
            own = np.sort(drawn[asked.questions[drawn, 1] == place])
            for piece in explainer.windows(passage, asked.questions, own):
                for local, drop in test.window(piece.window):
                    yield Drop(number, _group(local), *drop)


def summary(found: Sequence[Drop]) -> list[Tested]:
    """The figures of every group, and of all together, which comes last."""
    groups = sorted({drop.group for drop in found})
    parts = [_tested(group, [own for own in found if own.group == group]) for group in groups]
    return [*parts, _tested("all", found)] if found else []


@dataclass(frozen=True)
class _Test:
    explainer: Explainer
    method: Method
    k: int
    context_only: bool
    deleting: Trunk
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def window(self, window: Window) -> Iterator[tuple[Local, tuple[float, float, float, float]]]:
        """Of every target of a window that the encoder is sure of: its four drops."""
        found = self.explainer.found(window, self.method)
        for number, local in enumerate(window.asked):
            masking = Masking(self.deleting, window._replace(asked=[local]), self.explainer.word_start)
            pool = np.array([n for n, word in enumerate(masking.words) if not self._own(local, word)])
            likely = _probability(found.scores[number])
            if len(pool) <= self.k or likely < SURE:
                continue
            weights = np.array([found.weights[number, first:end].sum() for first, end in masking.words])
            kept = self._kept(pool, weights, len(masking.words))
            without, only = np.split(likely - _probability(masking.scores(kept)[:, 0]), 2)
            yield local, (without[0], without[1:].mean(), only[0], only[1:].mean())

    def _own(self, local: Local, word: tuple[int, int]) -> bool:
        first, end = word
        return self.context_only and local.kind != LABEL and local.first < end and first < local.end

    def _kept(self, pool: NDArray[np.int64], weights: Float, words: int) -> NDArray[np.bool_]:
        """Words kept: all but the k top ones, all but k random ones …; then only those of the pool."""
        top = pool[np.argsort(-weights[pool], kind="stable")[: self.k]]
        chosen = [top, *(self.rng.choice(pool, self.k, replace=False) for _ in range(DRAWS))]
        kept = np.ones((2 * len(chosen), words), np.bool_)
        for row, own in enumerate(chosen):
            kept[row, own] = False
            kept[len(chosen) + row, np.setdiff1d(pool, own)] = False
        return kept


def _tested(group: str, found: Sequence[Drop]) -> Tested:
    notes = np.array([drop.note for drop in found])
    without = np.array([(drop.without_top, drop.without_random) for drop in found])
    only = np.array([(drop.only_top, drop.only_random) for drop in found])
    return Tested(
        group,
        len(found),
        len(set(notes.tolist())),
        float(without[:, 0].mean()),
        float(without[:, 1].mean()),
        _chance(without[:, 0] - without[:, 1], notes),
        float(only[:, 0].mean()),
        float(only[:, 1].mean()),
        _chance(only[:, 1] - only[:, 0], notes),
    )


def _chance(differences: Float, notes: NDArray[np.int64]) -> float:
    """How often the sum is as large when the sign of each note's is a coin's."""
    sums = np.bincount(notes, differences)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (FLIPS, len(sums)))
    as_large = (signs @ sums >= sums.sum() - 1e-12).sum()
    return float((1 + as_large) / (1 + FLIPS))


def _group(local: Local) -> str:
    if local.kind == ASSERTION:
        axis = list(AXES)[local.a]
        return f"{axis}: {'usual' if local.b == 0 else 'not usual'}"
    return {SPAN: "entity", LABEL: "class"}[local.kind]


def _probability(log_odds: Float) -> Float:
    probability: Float = 1 / (1 + np.exp(-log_odds))
    return probability
