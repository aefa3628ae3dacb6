"""Fitted last, on documents that were not trained on: how sure a head is, where a class begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.annotator import Annotator
from models.checkpoint import ENTITIES, Checkpoint, open_checkpoint
from models.corpora.scheme import Document, held_out
from models.errors import EngineError
from models.evaluation.abilities import abilities
from models.evaluation.answered import answers
from models.evaluation.calibrated import Answer
from models.finish import PHI, Finish
from models.training.export import record as noted
from models.training.export import settle as written
from models.training.least import by_category, leant, least, tied
from models.types import Annotation, Note

HALF, SHARE = "settled", 0.5
"""Seed and share of the held-out documents that are fitted on; the others are unseen."""
TOGETHER = 64
LEAST = 50
"""Answers that a curve is fitted to at least."""
PULL = 5.0
STEPS = 50
FLOOR, CEILING = 0.05, 0.95

Float = NDArray[np.float64]


def settle(folder: Path, held: Mapping[str, Sequence[Document]]) -> dict[str, Any]:
    """Fit on one half of the held-out documents, by corpus; what is fitted goes into the manifest's heads."""
    checkpoint = open_checkpoint(folder)
    half = {name: [d for d in own if held_out(d.id, HALF, SHARE)] for name, own in held.items()}
    said, records = _read(checkpoint, half)
    pairs = [pair for own in half for pair in zip(half[own], records[own], strict=True)]
    fitted: dict[str, dict[str, Any]] = defaultdict(dict)
    drawn: dict[str, list[float]] = {}
    for head in checkpoint.heads:
        name = str(head["name"])
        if head["kind"] in ("entities", "relations") and len(said[name]) >= LEAST:
            labels = head["categories"] if head["kind"] == "entities" else [r[0] for r in head["relations"]]
            fitted[name]["calibration"] = curves(said[name], labels)
            drawn |= fitted[name]["calibration"] if name != PHI else {}
            if name == ENTITIES:
                fitted[name]["least"] = least(pairs, drawn)
        if head["kind"] == "text_classes" and head["independent"]:
            rows, gold = _labelled(half, records, name, head["labels"])
            if len(rows):
                fitted[name]["thresholds"] = [round(x, 4) for x in thresholds(rows, gold)]
    for head in checkpoint.heads:
        if head["kind"] == "relations" and "calibration" in fitted[head["name"]]:
            fitted[head["name"]]["least"] = by_category(tied(pairs, drawn))
    written(folder, fitted)
    noted(folder, settled={"seed": HALF, "share": SHARE})
    return dict(fitted)


def _read(
    checkpoint: Checkpoint, half: Mapping[str, Sequence[Document]]
) -> tuple[dict[str, list[Answer]], dict[str, list[Annotation]]]:
    """Every answer of every head, and the records by corpus."""
    said: dict[str, list[Answer]] = defaultdict(list)
    records: dict[str, list[Annotation]] = {}
    can = abilities(checkpoint)
    with Annotator(checkpoint, finish=Finish.of(checkpoint, links=False)) as annotator:
        for corpus, documents in half.items():
            found = []
            for at in range(0, len(documents), TOGETHER):
                notes = [Note(id=d.id, text=d.text) for d in documents[at : at + TOGETHER]]
                for record in annotator.annotate_many(notes):
                    if isinstance(record, EngineError):
                        raise record
                    found.append(record)
            records[corpus] = found
            for head, answer in answers(corpus, list(zip(documents, found, strict=True)), can):
                said[head].append(answer)
    return said, records


def curves(said: Sequence[Answer], labels: Sequence[str]) -> dict[str, list[float]]:
    """A curve a label, drawn to that of all together: by as much as `PULL` answers weigh."""
    together = platt(said)
    found = {label: platt([one for one in said if one.label == label], together, PULL) for label in labels}
    return {label: [round(x, 4) for x in curve] for label, curve in found.items()}


def platt(
    said: Sequence[Answer], usual: tuple[float, float] = (1.0, 0.0), pull: float = 1.0
) -> tuple[float, float]:
    """`a`, `b` of `models.reliability`: logistic regression of what is right on confidences' log-odds, by
    Newton, with Platt's smoothed targets, and the weight `pull` on leaving things as is usual."""
    if not said:
        return usual
    sure = np.array([one.confidence for one in said]).clip(1e-3, 1 - 1e-3)
    right = np.array([one.right for one in said], np.float64)
    targets = np.where(right > 0, (right.sum() + 1) / (right.sum() + 2), 1 / (len(right) - right.sum() + 2))
    x = np.column_stack([np.log(sure / (1 - sure)), np.ones(len(sure))])
    before = np.array(usual)
    weights = before.copy()
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (p - targets) + pull * (weights - before)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + pull * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step / max(1.0, float(np.linalg.norm(step)))
    return max(0.05, float(weights[0])), float(weights[1])


def thresholds(rows: Float, gold: NDArray[np.bool_]) -> list[float]:
    """For each label from where on it is said: [texts, labels] confidences and what holds."""
    together = _best(rows.ravel(), gold.ravel())
    found = []
    for column in range(rows.shape[1]):
        count = float(gold[:, column].sum())
        own = _best(rows[:, column], gold[:, column]) if count else together
        found.append(leant(own, count, together))
    return found


def _best(confidence: Float, right: NDArray[np.bool_]) -> float:
    """The threshold of the best F1, in the middle between two confidences."""
    order = np.argsort(-confidence, kind="stable")
    sure, hit = confidence[order], np.cumsum(right[order])
    f1 = 2 * hit / (np.arange(1, len(order) + 1) + right.sum())
    at = int(f1.argmax())
    below = sure[at + 1] if at + 1 < len(sure) else 0.0
    return float(np.clip((sure[at] + below) / 2, FLOOR, CEILING))


def _labelled(
    half: Mapping[str, Sequence[Document]],
    records: Mapping[str, Sequence[Annotation]],
    task: str,
    labels: Sequence[str],
) -> tuple[Float, NDArray[np.bool_]]:
    """Confidences and what holds [texts, labels] of the texts that have labels of the task."""
    rows, gold = [], []
    for corpus, documents in half.items():
        for document, record in zip(documents, records[corpus], strict=True):
            if task in document.classes:
                said = next((own for own in record.classifications if own.task == task), None)
                sure = {own.label: own.confidence for own in said.labels} if said else {}
                rows.append([sure.get(label, 0.0) for label in labels])
                gold.append([label in document.classes[task] for label in labels])
    return np.array(rows, np.float64), np.array(gold, np.bool_)
