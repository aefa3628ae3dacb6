"""Figures of a checkpoint as a whole: how far its confidences can be trusted, its size, what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from models.acceptance import NEEDS_ACCEPTANCE
from models.checkpoint import Checkpoint
from models.evaluation.bootstrap import Difference, Figure
from models.evaluation.calibrated import Calibration
from models.evaluation.goals import percent
from models.evaluation.report import Row
from models.evaluation.selection import from_manifest
from models.manifest import ACCEPTED
from models.precision import ACCEPTED_LOSS

UNKNOWN = "its manifest does not say"


def rows(checkpoint: Checkpoint, calibrated: Sequence[Calibration]) -> Iterator[Row]:
    """What is no figure of a corpus. Of F1 that a storage format or a precision costs only those who trained
    the checkpoint can tell, who have its exact weights: what they wrote into its manifest is repeated.
    """
    yield _calibration(calibrated)
    files = (path for path in checkpoint.folder.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files if not path.name.endswith(ACCEPTED)) / 1e6
    yield Row("size", 25.0, "MB", True, Figure(size), 0, 0)
    yield _lost("F1 lost to the storage format", 0.4, from_manifest(checkpoint, "storage"))
    for precision in NEEDS_ACCEPTANCE:
        told = checkpoint.precisions.get(precision, {})
        yield _lost(f"F1 lost to computing in {precision}", ACCEPTED_LOSS, told)


def beside(ours: Iterable[Row], theirs: Iterable[Row]) -> Iterator[Row]:
    """The same figures of two checkpoints; how far the difference may be chance is not told."""
    for one, two in zip(ours, theirs, strict=True):
        first, second = one.figure.value, two.figure.value
        apart = None if first is None or second is None else second - first
        yield replace(one, against=Difference(first, second, apart, None, None, None))


def _calibration(calibrated: Sequence[Calibration]) -> Row:
    entities = next((one for one in calibrated if one.head == "entities"), None)
    task = "calibration error of entities"
    if entities is None:
        return Row(task, 5.0, "%", True, Figure(None), 0, 0, "no entities to count it on")
    return Row(task, 5.0, "%", True, percent(entities.equal_mass), entities.answers, entities.documents)


def _lost(task: str, goal: float, told: Mapping[str, object]) -> Row:
    loss = told.get("f1_loss")
    if not isinstance(loss, int | float):
        return Row(task, goal, "points", True, Figure(None), 0, 0, UNKNOWN)
    note = f"as its manifest says, of {told['on']}" if "on" in told else "as its manifest says"
    return Row(task, goal, "points", True, Figure(float(loss)), 0, 0, note)
