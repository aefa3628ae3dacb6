"""`streamer accept`: what a less exact trunk loses on a user's own notes, kept for later starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from models import acceptance, calibration
from models.checkpoint import ENTITIES, Checkpoint, open_checkpoint
from models.precision import Precision
from models.types import Annotation, Note
from streamer import formats
from streamer.errors import NoteError, SettingError
from streamer.settings import Settings

TOGETHER = 64
FEW_ENTITIES = 1000
"""Below, a single entity moves F1 by about as much as is asked about."""
RESAMPLES = 2000

Place = tuple[int, int, str]


@dataclass(frozen=True)
class Labelled:
    """A note and, where it is labelled, its entities of the categories that the checkpoint knows."""

    note: Note
    gold: frozenset[Place] | None


@dataclass(frozen=True)
class Result:
    """F1 in points (0 … 100), micro, of exact span and category. `loss` lies within `low` … `high` in 95 % of
    samples drawn anew from these notes. `judged_otherwise`: entities that both found, with another assertion.
    """

    precision: Precision
    measure: str
    notes: int
    entities: int
    f1_fp32: float
    f1: float
    loss: float
    low: float
    high: float
    judged_otherwise: int


def run(sample: Path, settings: Settings, *, as_json: bool = False) -> int:
    """Measure the settings' precision, show, and keep a record.

    0 if it loses at most the settings' `accept_loss`, 1 if more. Raises SettingError for a sample that cannot
    be used, and CheckpointError for a precision that cannot run here.
    """
    if settings.precision in ("auto", "fp32"):
        raise SettingError("fp32 is what the others are held against; measure bf16 or int8")
    checkpoint = open_checkpoint(settings.checkpoint)
    checkpoint.require_heads()
    categories = dict(checkpoint.layers).get(ENTITIES, ())
    if not categories:
        raise SettingError(f"{checkpoint.name} finds no entities, so that there is nothing to compare")
    labelled = read_sample(sample, categories)
    precision = prepared(settings, checkpoint)
    exact = _annotate(labelled, checkpoint, settings.device, "fp32")
    other = _annotate(labelled, checkpoint, settings.device, precision)
    result = compare(labelled, exact, other, precision)
    record = acceptance.record(
        checkpoint, precision, result.loss, result.measure, result.notes, result.entities
    )
    place = acceptance.save(checkpoint, record)
    _show(result, settings.accept_loss, place, as_json=as_json)
    return 0 if result.loss <= settings.accept_loss else 1


def prepared(settings: Settings, checkpoint: Checkpoint) -> Precision:
    """The precision that was asked for, accepted or not, fp32 for `auto`; call it before torch is imported.

    Raises CheckpointError where it cannot run on this machine.
    """
    wanted = "fp32" if settings.precision == "auto" else settings.precision
    return calibration.choose(checkpoint, settings.device, wanted, acceptance.UNMEASURED).prepare()


def read_sample(path: Path, categories: Sequence[str]) -> list[Labelled]:
    """Notes of a JSONL file: all of them with `"entities"`, or none.

    Entities of a category that is not among `categories` are left out: nothing could find them.
    """
    if not path.is_file():
        raise SettingError(f'{path} is not a file; give JSONL notes with "entities": [{_SHAPE}]')
    lines = [(n, line) for n, line in enumerate(path.read_bytes().splitlines(), start=1) if line.strip()]
    read = [_labelled(line, f"{path}:{number}", categories) for number, line in lines]
    if not read:
        raise SettingError(f"{path} holds no notes")
    if len({note.gold is None for note in read}) > 1:
        raise SettingError(f'{path}: some notes have "entities" and some have not; label all or none')
    if read[0].gold is not None and not any(note.gold for note in read):
        raise SettingError(f"{path}: no entity is of a category of this checkpoint: {', '.join(categories)}")
    return read


def compare(
    labelled: Sequence[Labelled],
    exact: Sequence[Annotation],
    other: Sequence[Annotation],
    precision: Precision,
) -> Result:
    """Against the labels; without labels, against what fp32 found: stricter, as every difference counts."""
    gold = [
        _places(record) if own.gold is None else own.gold for own, record in zip(labelled, exact, strict=True)
    ]
    before = np.array([_counts(places, record) for places, record in zip(gold, exact, strict=True)])
    after = np.array([_counts(places, record) for places, record in zip(gold, other, strict=True)])
    drawn = np.random.default_rng(0).multinomial(
        len(labelled), np.full(len(labelled), 1 / len(labelled)), RESAMPLES
    )
    losses = _f1(drawn @ before) - _f1(drawn @ after)
    low, high = np.quantile(losses, (0.025, 0.975))
    f1_fp32, f1 = float(_f1(before.sum(0))), float(_f1(after.sum(0)))
    return Result(
        precision=precision,
        measure="agreement" if labelled[0].gold is None else "gold",
        notes=len(labelled),
        entities=sum(map(len, gold)),
        f1_fp32=f1_fp32,
        f1=f1,
        loss=round(f1_fp32 - f1, 4),
        low=float(low),
        high=float(high),
        judged_otherwise=sum(_judged_otherwise(a, b) for a, b in zip(exact, other, strict=True)),
    )


# --- the sample ----------------------------------------------------------------------------------

_SHAPE = '{"start", "end", "category"}'


class _Entity(msgspec.Struct, frozen=True):
    start: int
    end: int
    category: str


class _Entities(msgspec.Struct, frozen=True):
    entities: list[_Entity] | None = None


def _labelled(line: bytes, place: str, categories: Sequence[str]) -> Labelled:
    try:
        note = formats.decode(line, "application/json", place)
        labels = msgspec.json.decode(line, type=_Entities).entities
    except NoteError as error:
        raise SettingError(f"{place}: {error}") from None
    except msgspec.MsgspecError:
        raise SettingError(f'{place}: "entities" has to be a list of {_SHAPE}') from None
    if labels is None:
        return Labelled(note, None)
    if not all(0 <= label.start < label.end <= len(note.text) for label in labels):
        raise SettingError(f"{place}: an entity lies outside its note; start and end count code points")
    return Labelled(note, frozenset((e.start, e.end, e.category) for e in labels if e.category in categories))


# --- reading and counting ------------------------------------------------------------------------


def _annotate(
    labelled: Sequence[Labelled], checkpoint: Checkpoint, device: str, precision: Precision
) -> list[Annotation]:
    from models.annotator import Annotator  # imports torch, before which the machine is prepared

    records: list[Annotation] = []
    with Annotator(checkpoint, device, precision) as annotator, Progress(console=Console(stderr=True)) as bar:
        for at in bar.track(range(0, len(labelled), TOGETHER), description=f"reading in {precision}"):
            for record in annotator.annotate_many([own.note for own in labelled[at : at + TOGETHER]]):
                if not isinstance(record, Annotation):
                    raise SettingError(f"note {len(records) + 1} of the sample: {record}")
                records.append(record)
    return records


def _places(record: Annotation) -> frozenset[Place]:
    return frozenset((e.span.start, e.span.end, e.category) for e in record.entities)


def _counts(gold: frozenset[Place], record: Annotation) -> tuple[int, int, int]:
    """How many there are, how many were found, how many of these are right."""
    found = _places(record)
    return len(gold), len(found), len(gold & found)


def _f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Points of F1 for counts [..., 3]."""
    both = counts[..., 0] + counts[..., 1]
    points: NDArray[np.float64] = 200.0 * counts[..., 2] / np.maximum(both, 1)
    return np.where(both > 0, points, 100.0)


def _judged_otherwise(exact: Annotation, other: Annotation) -> int:
    said = {(e.span.start, e.span.end, e.category): e.assertion for e in exact.entities}
    pairs = [(said.get((e.span.start, e.span.end, e.category)), e.assertion) for e in other.entities]
    return sum(before is not None and before != after for before, after in pairs)


# --- showing -------------------------------------------------------------------------------------


def _show(result: Result, max_loss: float, place: Path | None, *, as_json: bool) -> None:
    accepted = result.loss <= max_loss
    if as_json:
        told = {name: getattr(result, name) for name in Result.__dataclass_fields__}
        told |= {"max_loss": max_loss, "accepted": accepted, "record": None if place is None else str(place)}
        print(json.dumps(told))
        return
    table = Table("reads in", "F1", title=_title(result))
    table.add_row("fp32", f"{result.f1_fp32:.2f}")
    table.add_row(result.precision, f"{result.f1:.2f}")
    table.add_row("loss", f"{result.loss:+.2f} points ({result.low:+.2f} … {result.high:+.2f})")
    table.add_row("judged otherwise", f"{result.judged_otherwise} assertions")
    console = Console(soft_wrap=True)
    console.print(table)
    if result.measure == "agreement":
        console.print(
            "The sample is not labelled: every difference from fp32 counts as a loss, which is stricter."
        )
    if result.entities < FEW_ENTITIES:
        one = 100 / max(result.entities, 1)
        console.print(f"Only {result.entities} entities: one of them is about {one:.2f} points.")
    console.print(_verdict(result, max_loss, place), markup=False, highlight=False)


def _title(result: Result) -> str:
    against = "your labels" if result.measure == "gold" else "fp32"
    return f"{result.notes} notes, {result.entities} entities, exact spans against {against}"


def _verdict(result: Result, max_loss: float, place: Path | None) -> str:
    kept = "nothing could be written, so that it is not kept" if place is None else f"kept in {place}"
    if result.loss <= max_loss:
        return f"{result.precision} is accepted: it loses at most {max_loss:g} points ({kept})"
    return f"{result.precision} is not accepted: it loses more than {max_loss:g} points ({kept})"
