"""Classes of whole texts: any number of labels, or just one."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from models.corpora.scheme import Document
from models.evaluation.counts import Threes
from models.types import Annotation

THRESHOLD = 0.5
"""From which confidence on a label is said of a text, where a record has all labels."""
SECTION = "section"


def confidences(record: Annotation, task: str) -> dict[str, float]:
    """By label; none where the record has no such task. Of sections, a record without that task of its own
    has the category of its longest section."""
    for own in record.classifications:
        if own.task == task:
            return {label.label: label.confidence for label in own.labels}
    if task == SECTION and record.sections:
        return {max(record.sections, key=lambda section: len(section.span)).category: 1.0}
    return {}


def several(
    document: Document, record: Annotation, tasks: Iterable[str], decided: Container[str] = ()
) -> Threes:
    """Labels of all the tasks together, each of which a text may or may not have. `decided`: tasks of which
    the record has only labels that hold."""
    threes: dict[str, tuple[int, int, int]] = {}
    for task in tasks:
        gold = document.classes.get(task, frozenset())
        least = 0.0 if task in decided else THRESHOLD
        said = {label for label, sure in confidences(record, task).items() if sure >= least}
        for label in sorted(gold | said):
            threes[label] = int(label in gold), int(label in said), int(label in gold & said)
    return threes


def best(document: Document, record: Annotation, task: str) -> Threes:
    """The text's one label against the likeliest."""
    (gold,) = document.classes[task]
    said = likeliest(confidences(record, task))
    threes = {gold: (1, int(said == gold), int(said == gold))}
    return threes if said in (gold, "") else threes | {said: (0, 1, 0)}


def likeliest(found: Mapping[str, float]) -> str:
    """ "" where there is none; of several, the first by name."""
    return min(found, key=lambda label: (-found[label], label), default="")
