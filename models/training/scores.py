"""Counts → precision, recall and F1, in plain data classes that become JSON as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """`gold`: how many there are; `found`: how many were named; `right`: how many of these are gold."""

    label: str
    gold: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.gold + self.found) if self.gold + self.found else 0.0

    def as_dict(self) -> dict[str, Any]:
        figures = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return asdict(self) | {name: round(value, 4) for name, value in figures.items()}


@dataclass(frozen=True)
class Table:
    """The scores of one task on one corpus; `what` says how they were counted."""

    corpus: str
    task: str
    what: str
    documents: int
    scores: tuple[Score, ...]

    @property
    def micro(self) -> Score:
        """All labels' counts together."""
        return total("all", self.scores)

    def as_dict(self) -> dict[str, Any]:
        rest = {"corpus": self.corpus, "task": self.task, "what": self.what, "documents": self.documents}
        return rest | {"scores": [s.as_dict() for s in self.scores], "micro": self.micro.as_dict()}


@dataclass(frozen=True)
class Report:
    """A checkpoint's figures on the documents that were held out by `seed` and `share`."""

    name: str
    version: str
    fingerprint: str
    precision: str
    part: str
    seed: str
    share: float
    tables: tuple[Table, ...]

    def as_dict(self) -> dict[str, Any]:
        names = ("name", "version", "fingerprint", "precision")
        return {name: getattr(self, name) for name in names} | self.figures()

    def figures(self) -> dict[str, Any]:
        """What was counted, without the name of what it was counted of."""
        part = {"part": self.part, "seed": self.seed, "share": self.share}
        return part | {"tables": [table.as_dict() for table in self.tables]}


def total(label: str, scores: Iterable[Score]) -> Score:
    counts = [(s.gold, s.found, s.right) for s in scores]
    gold, found, right = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    return Score(label, gold, found, right)
