"""What passages say of the texts they are parts of: classes, sections without a heading, embeddings. Pure.

How sure a label is of a text: the mean of its passages' confidences, weighted by their length, or of their
log-odds where labels do not exclude each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.sections import UNKNOWN
from models.types import Classification, Embedding, Findings, Label, Passage, Section, Task

DIGITS = 3
SECTION = "section"
"""The task whose labels are categories of sections; it is asked of sections, not of the note."""
SURE = 0.6
"""How sure it must be to name a section that has no heading."""
EDGE = 1e-4
"""Confidences come in four decimals: as sure as log-odds may be."""

Float = NDArray[np.float64]


def classifications(
    passages: Sequence[Passage], findings: Sequence[Findings], tasks: Sequence[Task]
) -> tuple[Classification, ...]:
    """Each task's labels over the whole note, the likeliest first: those over their thresholds, or all."""
    if not passages:
        return ()
    said = []
    for number, task in enumerate(tasks):
        if task.name == SECTION:
            continue
        whole = pooled(passages, findings, number, task)
        least = task.thresholds or (0.0,) * len(task.labels)
        kept = [own for own in zip(whole.tolist(), task.labels, least, strict=True) if own[0] >= own[2]]
        ranked = sorted(kept, key=lambda own: (-own[0], own[1]))
        labels = tuple(Label(label=label, confidence=round(sure, DIGITS)) for sure, label, _ in ranked)
        said.append(Classification(task=task.name, labels=labels))
    return tuple(sorted(said, key=lambda own: own.task))


def pooled(passages: Sequence[Passage], findings: Sequence[Findings], number: int, task: Task) -> Float:
    """Confidences [labels] of task `number` in the text that the passages make."""
    rows = np.array([found.classified[number].confidences for found in findings], np.float64)
    weights = np.array([len(passage.text) for passage in passages], np.float64)
    if task.pooled == "mean":
        return np.average(rows, axis=0, weights=weights)
    rows = rows.clip(EDGE, 1 - EDGE)
    whole: Float = 1 / (1 + np.exp(-np.average(np.log(rows / (1 - rows)), axis=0, weights=weights)))
    return whole


def section_categories(
    sections: Sequence[Section],
    passages: Sequence[Passage],
    findings: Sequence[Findings],
    tasks: Sequence[Task],
) -> list[str]:
    """Each section's category: its heading's, else what its text looks like, where that is clear."""
    number = next((n for n, task in enumerate(tasks) if task.name == SECTION), None)
    found = []
    for section in sections:
        own = [i for i, passage in enumerate(passages) if passage.section == section.id]
        category = section.category
        if number is not None and own and not section.title and category == UNKNOWN:
            task = tasks[number]
            sure = pooled([passages[i] for i in own], [findings[i] for i in own], number, task)
            best = int(sure.argmax())
            category = task.labels[best] if sure[best] >= (task.thresholds or (SURE,))[0] else category
        found.append(category)
    return found


def embeddings(passages: Sequence[Passage], findings: Sequence[Findings]) -> tuple[Embedding, ...]:
    """Of the note, then of each section: the mean of the passages' vectors by their length, made 1 long."""
    if not any(found.embedding for found in findings):
        return ()
    vectors = np.array([found.embedding for found in findings], np.float64)
    weights = np.array([len(passage.text) for passage in passages], np.float64)
    owners = [passage.section for passage in passages]
    groups = [(None, range(len(passages)))] + [
        (section, [i for i, own in enumerate(owners) if own == section]) for section in dict.fromkeys(owners)
    ]
    return tuple(
        Embedding(section, _unit(np.average(vectors[list(which)], axis=0, weights=weights[list(which)])))
        for section, which in groups
    )


def _unit(vector: Float) -> tuple[float, ...]:
    own = vector / (float(np.abs(vector).max(initial=0.0)) or 1.0)  # squares of tiny numbers are nothing
    length = float(np.linalg.norm(own))
    return tuple((own / (length or 1.0)).round(4).tolist())
