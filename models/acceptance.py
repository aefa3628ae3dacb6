"""Whether an 8-bit trunk may read with a checkpoint: only where its loss was measured and is small enough.

Who measured last is believed: first a record of this user's own sample (`streamer accept` writes it beside
the checkpoint, or into the user's folder), then what the checkpoint's manifest says of itself.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from models import kept
from models.checkpoint import DEFAULT, Checkpoint
from models.errors import CheckpointError
from models.manifest import ACCEPTED, TRUNK_CODE, code_hash
from models.precision import ACCEPTED_LOSS, Precision

NEEDS_ACCEPTANCE: tuple[Precision, ...] = ("int8",)
UNMEASURED = 100.0
"""Points of F1 that a trunk may lose of which nothing is known."""


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One measurement. `f1_loss`: points (0 … 100) that F1 falls below fp32's, negative where it rises.

    It holds for these weights and this code alone. `measure`: "gold", or "agreement" with fp32.
    """

    precision: Precision
    f1_loss: float
    measure: str
    notes: int
    entities: int
    weights: str
    code: str


def record(
    checkpoint: Checkpoint, precision: Precision, f1_loss: float, measure: str, notes: int, entities: int
) -> Record:
    """A measurement, bound to the checkpoint's weights and to the code as it is."""
    return Record(
        precision=precision,
        f1_loss=f1_loss,
        measure=measure,
        notes=notes,
        entities=entities,
        weights=checkpoint.weights_sha,
        code=code_hash(TRUNK_CODE),
    )


def save(checkpoint: Checkpoint, measured: Record) -> Path | None:
    """Keep a record; gives its place, or None where nothing can be written."""
    places = _places(checkpoint, measured.precision)
    written = next((place for place in places if kept.write(place, measured)), None)
    for place in places:
        if place != written and kept.read(place, Record) is not None:
            place.unlink(missing_ok=True)  # of an older measurement
    return written


def measured_loss(checkpoint: Checkpoint, precision: Precision) -> float | None:
    """Points of F1 that the checkpoint loses in a precision; None where nobody measured it."""
    if precision not in NEEDS_ACCEPTANCE:
        return 0.0
    code = code_hash(TRUNK_CODE)
    for place in _places(checkpoint, precision):
        own = kept.read(place, Record)
        if own and (own.precision, own.weights, own.code) == (precision, checkpoint.weights_sha, code):
            return own.f1_loss
    loss = checkpoint.precisions.get(precision, {}).get("f1_loss")
    return float(loss) if isinstance(loss, int | float) else None


def accepted(checkpoint: Checkpoint, precision: Precision, limit: float = ACCEPTED_LOSS) -> bool:
    """Whether a checkpoint may read in a precision, at a loss of at most `limit` points of F1."""
    return _within(measured_loss(checkpoint, precision), limit)


def require(checkpoint: Checkpoint, precision: Precision, limit: float = ACCEPTED_LOSS) -> None:
    """Raises `CheckpointError` that names the way out, where the precision is not accepted."""
    loss = measured_loss(checkpoint, precision)
    if _within(loss, limit):
        return
    if loss is None:
        raise CheckpointError(
            f"{precision} is not accepted for {checkpoint.name}: its loss of F1 was never measured; measure "
            f"it on notes of yours with `streamer accept --sample labelled.jsonl --precision {precision}`"
        )
    raise CheckpointError(
        f"{precision} is not accepted for {checkpoint.name}: it loses {loss:.2f} points of F1, {limit:g} are "
        f"allowed; allow more with `--accept-loss {loss + 0.005:.2f}`, or measure again with `streamer "
        f"accept --sample labelled.jsonl --precision {precision}`"
    )


def _within(loss: float | None, limit: float) -> bool:
    return (UNMEASURED if loss is None else loss) <= limit


def _places(checkpoint: Checkpoint, precision: Precision) -> list[Path]:
    """Beside the checkpoint, where it travels with it, but never within this package; else for the user."""
    places = [] if checkpoint.folder.resolve() == DEFAULT else [_beside(checkpoint, precision)]
    home = kept.folder("accepted")
    return places if home is None else [*places, home / f"{checkpoint.weights_sha[:16]}-{precision}.json"]


def _beside(checkpoint: Checkpoint, precision: Precision) -> Path:
    return checkpoint.folder / f"{precision}{ACCEPTED}"
