"""Heads are added one at a time, and all is measured on the same batches."""

from __future__ import annotations

from pathlib import Path

from models.bench.heads import ALONE, costs
from tests.checkpoints import tiny

TEXTS = ["HISTORY: the patient has chest pain and takes aspirin. ", "No fever. " * 9]


def test_every_head_has_a_line_and_the_trunk_costs_one(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "tiny")
    seen: list[tuple[int, int]] = []
    found = costs(checkpoint, TEXTS, "cpu", rounds=2, on_progress=lambda *n: seen.append(n))
    assert [own.name for own in found] == [ALONE, *(str(head["name"]) for head in checkpoint.heads)]
    assert [own.heads for own in found] == list(range(len(found)))
    assert all(own.milliseconds > 0 and own.ratio > 0 for own in found)
    assert seen[-1][0] == seen[-1][1]
