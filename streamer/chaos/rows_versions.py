"""Row 27: a node of another version takes over in mid-stream, and hands back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from models.types import Annotation
from streamer.chaos import newer, notes
from streamer.chaos.account import shape
from streamer.chaos.notes import Load
from streamer.chaos.processes import Node
from streamer.chaos.trial import BACKLOG, STILL_S, Trial

LOOKED_UP = "streamer_cache_passages_total"
DRAIN_S = 20.0


def swapped(trial: Trial) -> None:
    """The same texts three times: to the old node, while the new one takes over, while it hands back."""
    plan = trial.bed.plan
    texts = [own.text or "" for own in notes.loads(trial.row, _part(trial), trial.bed.pool, plan.seed)]
    stage = trial.on(trial.bed.versions(), compare=False)
    old = stage.node
    trial.put(_again(trial, texts))
    trial.wait_for_all()
    new = trial.bed.newer(stage)
    _hand_over(trial, texts, old, new)
    missed, looked = _missed(new), len({_text(own) for own in _records(trial, newer.VERSION)})
    trial.require(
        missed >= looked, f"{looked} texts read by the new version, {missed:.0f} not found in the cache"
    )
    old.start()
    _hand_over(trial, texts, new, old)
    found = _found(old)
    trial.require(found > 0, "back again, the old version found nothing of its own in the cache")
    _readable(trial)
    by = [len(_records(trial, version)) for version in (None, newer.VERSION)]
    trial.require(min(by) > 0, "one of the versions read nothing")
    trial.remarks.append(
        f"{by[0]} records of the old version, {by[1]} of the new; cache: the new one missed {missed:.0f} "
        f"times for its {looked} texts, the old one, back again, found {found:.0f}"
    )


def _part(trial: Trial) -> int:
    return min(trial.bed.plan.notes // 3, BACKLOG)


def _again(trial: Trial, texts: Sequence[str]) -> list[Load]:
    return [notes.load(trial.row, len(trial.sent) + number, text) for number, text in enumerate(texts)]


def _hand_over(trial: Trial, texts: Sequence[str], goes: Node, comes: Node) -> None:
    """Both are there; the texts are sent, and one of the nodes is told to stop in the midst of them."""
    trial.until(lambda: comes.ready, STILL_S, "the other version is ready")
    trial.put(_again(trial, texts))
    trial.wait_for(len(trial.sent) - len(texts) * 0.9)
    trial.fault()
    code = goes.stop(trial.patience(DRAIN_S))
    trial.require(code == 0, f"the node that was told to stop ended with {code}")
    trial.wait_for_all()


def _records(trial: Trial, version: str | None) -> list[dict[str, Any]]:
    """This row's records of the newer version, or (None) of this one."""
    records = [json.loads(trial.stage.reader.seen.records.get(own.load.id) or b"{}") for own in trial.sent]
    return [own for own in records if (own["pipeline"]["version"] == newer.VERSION) == (version is not None)]


def _text(record: dict[str, Any]) -> str:
    return str(record["document"]["contentSha256"])


def _readable(trial: Trial) -> None:
    """Every record by the type that the shipped schema is made of; the old version's are as ever."""
    seen, other = trial.stage.reader.seen, 0
    for own in trial.sent:
        value = seen.records[own.load.id] or b""
        record = msgspec.json.decode(value, type=Annotation)
        if record.pipeline.version != newer.VERSION:
            other += shape(value) != trial.bed.expected[own.load.text or ""]
        elif newer.FIELD.encode() not in value:
            trial.complaints.append("a record of the newer version lacks its new field")
    trial.require(other == 0, f"{other} records of the old version differ from an undisturbed run")


def _missed(node: Node) -> float:
    return node.metric(LOOKED_UP, 'outcome="miss"')


def _found(node: Node) -> float:
    return node.metric(LOOKED_UP, 'outcome="hit"')
