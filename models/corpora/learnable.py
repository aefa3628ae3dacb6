"""What can be learned from users' documents: the labels of each task, and whether there are enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.corpora.asserted import contrasts, span_axes, used_flags
from models.corpora.problems import Problems, shown
from models.corpora.raw import RawDocument

LEAST = 5
"""Examples of a task without which nothing is learned, and of a label without which little is."""

Ends = tuple[frozenset[str], frozenset[str]]
"""Labels that a relation leads from and to."""


@dataclass(frozen=True)
class ClassTask:
    """A task on whole texts. `several`: a text may have any number of its labels, also none."""

    labels: tuple[str, ...]
    several: bool


@dataclass(frozen=True)
class LabelSets:
    """By task, what there is to learn; empty where there is nothing. Names are in alphabetical order.

    `relations`: what each leads from and to. `assertion`: by axis, values that any span may have; only axes
    on which spans differ.
    """

    entities: tuple[str, ...] = ()
    relations: Mapping[str, Ends] = field(default_factory=dict)
    classes: Mapping[str, ClassTask] = field(default_factory=dict)
    assertion: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Task:
    """How often each label is there to learn from and elsewhere. `wrong`: why it cannot be learned, or "".

    `guessed`: its labels may be texts, which are not shown.
    """

    name: str
    train: Counter[str]
    elsewhere: Counter[str]
    wrong: str
    guessed: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted(self.train | self.elsewhere))


def learnable(
    root: Path, train: Sequence[RawDocument], others: Sequence[RawDocument], problems: Problems
) -> LabelSets:
    """The label sets of all documents; tasks that cannot be learned from `train` are left out and named.

    Fatal if none is left. Labels with few examples are named and kept.
    """
    entities = _spans_task(train, others)
    classes = {name: _class_task(name, train, others) for name in sorted(_class_names([*train, *others]))}
    tasks = [task for task in (entities, *classes.values()) if task.labels]
    good = [task for task in tasks if not task.wrong]
    if not tasks:
        problems.fatal(root, 0, "no labels in it could be read", "see docs/training-data.md for what is")
    for task in tasks:
        if task.wrong and good:
            problems.skipped(root, 0, f"{task.name}: {task.wrong}", "this task is left out")
        elif task.wrong:
            problems.fatal(root, 0, f"{task.name}: {task.wrong}", "label more")
    relations: Mapping[str, Ends] = {}
    if entities in good:
        relations = _relations(root, train, others, problems)
    _name_few(root, good, problems)
    return LabelSets(
        entities=entities.labels if entities in good else (),
        relations=relations,
        classes={
            name: ClassTask(task.labels, _several(name, [*train, *others]))
            for name, task in classes.items()
            if task in good
        },
        assertion=_assertion(train) if entities in good else {},
    )


def _spans_task(train: Sequence[RawDocument], others: Sequence[RawDocument]) -> _Task:
    here, elsewhere = (
        Counter(span.label for document in part for span in document.spans or ()) for part in (train, others)
    )
    wrong = f"{here.total()} spans to learn from, {LEAST} are the least" if here.total() < LEAST else ""
    return _Task("spans", here, elsewhere, wrong)


def _class_names(documents: Iterable[RawDocument]) -> set[str]:
    return {name for document in documents for name in document.classes}


def _class_task(name: str, train: Sequence[RawDocument], others: Sequence[RawDocument]) -> _Task:
    given = [document.classes[name] for document in train if name in document.classes]
    here = Counter(label for labels in given for label in labels)
    elsewhere = Counter(label for document in others for label in document.classes.get(name, ()))
    guessed = any(document.guessed for document in (*train, *others) if name in document.classes)
    wrong = ""
    if len(given) < LEAST:
        wrong = f"{len(given)} texts to learn from, {LEAST} are the least"
    elif not any(count < len(given) for count in here.values()):
        named = ", ".join(shown(label, guessed) for label in here)
        wrong = f"every text has the same label ({named}), so that there is nothing to tell apart"
    elif max(here.values()) == 1:
        wrong = "every label occurs once alone, so that there is nothing to learn from"
    return _Task(f"labels of {shown(name)}", here, elsewhere, wrong, guessed)


def _several(name: str, documents: Iterable[RawDocument]) -> bool:
    return any(len(document.classes.get(name, ("one",))) != 1 for document in documents)


def _relations(
    root: Path, train: Sequence[RawDocument], others: Sequence[RawDocument], problems: Problems
) -> Mapping[str, Ends]:
    here = Counter(label for document in train for label, _, _ in _related(document))
    sources: dict[str, set[str]] = {}
    targets: dict[str, set[str]] = {}
    for label, source, target in (found for d in (*train, *others) for found in _related(d)):
        sources.setdefault(label, set()).update(source)
        targets.setdefault(label, set()).update(target)
    known = {name for name in sources if sources[name] and targets[name]}
    for name in sorted(set(sources) - known):
        problems.skipped(
            root, 0, f"{shown(name)}: its codes are those of no span", "this relation is left out"
        )
    count = sum(here[name] for name in known)
    if known and count < LEAST:
        what = f"relations: {count} to learn from, {LEAST} are the least"
        problems.skipped(root, 0, what, "this task is left out")
        return {}
    elsewhere = Counter(dict.fromkeys(known, 1))
    _name_few(root, [_Task("relations", here, elsewhere, "")], problems)
    return {name: (frozenset(sources[name]), frozenset(targets[name])) for name in sorted(known)}


def _related(document: RawDocument) -> Iterator[tuple[str, set[str], set[str]]]:
    """Label, and labels of its ends: several where a code is that of several spans, none where of none."""
    spans = document.spans or ()
    for relation in document.relations or ():
        yield relation.label, {spans[relation.source].label}, {spans[relation.target].label}
    coded: dict[str, set[str]] = {}
    for span in spans:
        for code in span.codes:
            coded.setdefault(code, set()).add(span.label)
    for label, source, target in document.pairs:
        yield label, coded.get(source, set()), coded.get(target, set())


def _assertion(train: Sequence[RawDocument]) -> Mapping[str, tuple[str, ...]]:
    used = used_flags(train)
    return contrasts(span_axes(span, used) for document in train for span in document.spans or ())


def _name_few(root: Path, tasks: Sequence[_Task], problems: Problems) -> None:
    for task in tasks:
        for label in task.labels:
            count, name = task.train[label], f"{task.name}: {shown(label, task.guessed)}"
            if count == 0:
                problems.warn(root, 0, f"{name} occurs outside of the train part alone")
            elif count < LEAST:
                problems.warn(root, 0, f"{name} has {count} of the {LEAST} examples it needs")
        spelled: dict[str, list[str]] = {}
        for label in task.labels:
            spelled.setdefault(label.casefold(), []).append(label)
        for same in spelled.values():
            if len(same) > 1:
                names = ", ".join(shown(label, task.guessed) for label in same)
                what = f"{task.name}: {names} differ in capitals alone"
                problems.warn(root, 0, what, "kept as different labels")
