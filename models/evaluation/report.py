"""What an evaluation found, in plain data classes that become JSON as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from models.evaluation.bootstrap import LEVEL, TEST, Difference, Figure, samples
from models.evaluation.calibrated import Calibration
from models.evaluation.counts import Array, Kind, Ratios, macro, micro
from models.evaluation.measures import Measure

DIGITS = 4
ALL = "all"
NOTHING = Figure(None)


@dataclass(frozen=True)
class Score(Ratios):
    """`gold`: how many there are; `found`: how many were named; `right`: how many of these are gold.

    `figure`: F1, or what else the table is of, with its interval.
    """

    label: str
    gold: int
    found: int
    right: int
    figure: Figure = NOTHING

    def as_dict(self) -> dict[str, Any]:
        counts = {"label": self.label, "gold": self.gold, "found": self.found, "right": self.right}
        figures = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        interval = rounded([self.figure.low, self.figure.high])
        return {**counts, **rounded(figures), "interval": interval}


@dataclass(frozen=True)
class Table:
    """The scores of one task on one corpus; `what`: how they were counted, `kind`: what the figures are.

    `documents`: texts; `groups`: those of one id, drawn together, are one. `macro`: mean over labels.
    """

    corpus: str
    task: str
    what: str
    kind: Kind
    documents: int
    groups: int
    scores: tuple[Score, ...]
    micro: Score
    macro: Figure

    def as_dict(self) -> dict[str, Any]:
        names = ("corpus", "task", "what", "kind", "documents", "groups")
        rest: dict[str, Any] = {name: getattr(self, name) for name in names}
        rest |= {"scores": [one.as_dict() for one in self.scores], "micro": self.micro.as_dict()}
        return rest | {"macro": rounded(asdict(self.macro))}


@dataclass(frozen=True)
class Row:
    """A figure that is to be reached: what it is now. `value` None: not measured, `note` says why not.

    `items`: how many gold ones it is of; `documents`: how many were drawn from.
    """

    task: str
    goal: float
    unit: str
    at_most: bool
    figure: Figure
    items: int
    documents: int
    note: str = ""
    against: Difference | None = None

    @property
    def reached(self) -> bool | None:
        if self.figure.value is None:
            return None
        return self.figure.value <= self.goal if self.at_most else self.figure.value >= self.goal

    def as_dict(self) -> dict[str, Any]:
        whole = asdict(self) | {"figure": rounded(asdict(self.figure)), "reached": self.reached}
        return whole | {"against": None if self.against is None else rounded(asdict(self.against))}


@dataclass(frozen=True)
class Comparison:
    """Two checkpoints on the same documents; `figure`: what is compared, e.g. "micro"."""

    corpus: str
    task: str
    figure: str
    documents: int
    difference: Difference

    def as_dict(self) -> dict[str, Any]:
        names = ("corpus", "task", "figure", "documents")
        return {**{name: getattr(self, name) for name in names}, **rounded(asdict(self.difference))}


@dataclass(frozen=True)
class Report:
    """A checkpoint's figures on the documents of a part; `seed` and `share` say which were held out.

    `documents`: texts that were read, of all that are `there`. `skipped`: lines that say what was not read.
    `against`: name, version, fingerprint and precision of the one that it was compared with; differences are
    that one's figures less these.
    """

    name: str
    version: str
    fingerprint: str
    precision: str
    part: str
    seed: str
    share: float
    documents: int
    there: int
    resamples: int
    goals: tuple[Row, ...]
    tables: tuple[Table, ...]
    calibration: tuple[Calibration, ...] = ()
    skipped: tuple[str, ...] = ()
    against: Mapping[str, str] | None = None
    comparisons: tuple[Comparison, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        names = ("name", "version", "fingerprint", "precision")
        whole = {name: getattr(self, name) for name in names} | self.figures()
        if self.against is not None:
            whole |= {"against": dict(self.against), "test": TEST}
            whole |= {"comparisons": [one.as_dict() for one in self.comparisons]}
        return whole

    def figures(self) -> dict[str, Any]:
        """What was counted, without the name of what it was counted of."""
        part = {"part": self.part, "seed": self.seed, "share": self.share}
        texts = {"documents": self.documents, "there": self.there}
        drawn = {"resamples": self.resamples, "level": LEVEL, "skipped": list(self.skipped)}
        return (
            part
            | texts
            | drawn
            | {
                "goals": [row.as_dict() for row in self.goals],
                "tables": [table.as_dict() for table in self.tables],
                "calibration": [_calibrated(one) for one in self.calibration],
            }
        )


def table(measure: Measure, resamples: int) -> Table:
    """Labels that are neither gold nor found are left out."""
    counts, kind = measure.tally.counts, measure.kind
    drawn = samples(counts, resamples)
    own = partial(micro, kind=kind)
    return Table(
        measure.corpus,
        measure.task,
        measure.what,
        kind,
        measure.documents,
        len(counts),
        tuple(
            _score(label, drawn.summed[[number]], drawn.figure(own, number))
            for number, label in enumerate(measure.tally.labels)
            if drawn.summed[number].any()
        ),
        _score(ALL, drawn.summed, drawn.figure(own)),
        drawn.figure(partial(macro, kind=kind)),
    )


def total(label: str, scores: Iterable[Score]) -> Score:
    """All counts together, without an interval."""
    counts = [(s.gold, s.found, s.right) for s in scores]
    gold, found, right = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    return Score(label, gold, found, right)


def rounded(value: Any) -> Any:
    """Floats to `DIGITS` decimals, wherever they are."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def _score(label: str, summed: Array, shown: Figure) -> Score:
    """`summed` [labels, 3]."""
    gold, found, right = (round(number) for number in summed.sum(0).tolist())
    return Score(label, gold, found, right, shown)


def _calibrated(one: Calibration) -> dict[str, Any]:
    whole: dict[str, Any] = rounded(asdict(one))
    return whole
