"""What a run learns: the layers of spans, assertion, relations between spans, and classes of whole texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.corpora.scheme import CATEGORIES, EVENTS, PHI, PROBLEM, RELATIONS, Document

EFFECT = "EFFECT"
"""Of the layer of events; stands beside the entities' categories as an end of relations."""


@dataclass(frozen=True)
class Task:
    """Labels of a whole text; `independent`: any number of them at once, else just one."""

    labels: tuple[str, ...]
    independent: bool


@dataclass(frozen=True)
class Scheme:
    """`layers`: categories by layer, "entities" first; `relations`: kinds of source and target of each."""

    layers: Mapping[str, tuple[str, ...]]
    relations: Mapping[str, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    assertion: bool = True

    @property
    def kinds(self) -> tuple[str, ...]:
        """What an end of a relation may be."""
        own = self.layers.get("entities", ())
        return (*own, EFFECT) if EFFECT in self.layers.get("events", ()) else own

    def joins(self) -> NDArray[np.bool_]:
        """bool [relations, kinds, kinds]: from which kinds to which kinds each relation leads."""
        kinds = self.kinds
        table = np.zeros((len(self.relations), len(kinds), len(kinds)), np.bool_)
        for number, (sources, targets) in enumerate(self.relations.values()):
            rows = [i for i, kind in enumerate(kinds) if kind in sources]
            columns = [i for i, kind in enumerate(kinds) if kind in targets]
            table[number][np.ix_(rows, columns)] = True
        return table


def shipped(tasks: Mapping[str, Task]) -> Scheme:
    """The label scheme of the default checkpoint."""
    relations = dict(RELATIONS)
    relations["ADVERSE_EFFECT_OF"] = (PROBLEM | {EFFECT}, RELATIONS["ADVERSE_EFFECT_OF"][1])
    return Scheme({"entities": CATEGORIES, "phi": PHI, "events": EVENTS}, relations, tasks)


def tasks_of(documents: Iterable[Document], independent: Sequence[str] = ()) -> dict[str, Task]:
    """Class tasks that the documents have labels for, labels in alphabetical order.

    A task is independent if it is named so, or if any document has not just one label of it.
    """
    labels: dict[str, set[str]] = {}
    several = set(independent)
    for document in documents:
        for task, own in document.classes.items():
            labels.setdefault(task, set()).update(own)
            if len(own) != 1:
                several.add(task)
    return {task: Task(tuple(sorted(found)), task in several) for task, found in sorted(labels.items())}
