"""The child that measures: what it says, and that one precision's fault is not another's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import probe
from models.checkpoint import Checkpoint
from models.engine import Engine
from models.errors import EngineError
from tests.checkpoints import tiny


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return tiny(tmp_path)


def said(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_end_with_our_parent", lambda: None)
    monkeypatch.setattr(probe, "SECONDS", 0.0)


def test_it_tells_what_it_tries_before_it_tries_it(
    checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    probe.main([str(checkpoint.folder), "cpu", "bf16", "fp32"])
    lines = said(capfd.readouterr().out)
    assert [line["tries"] for line in lines[:2]] == ["fp32", "bf16"]
    assert lines[-1]["device"] == "cpu"
    assert lines[-1]["readers"] >= 1
    assert {"fp32", "bf16"} == {*lines[-1]["speeds"], *(line["fails"] for line in lines if "fails" in line)}


def test_one_that_cannot_be_built_is_told_without_a_foreign_message(
    checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine(*arguments: Any, precision: str, **more: Any) -> Engine:
        if precision == "bf16":
            raise LookupError("a secret")
        return Engine(*arguments, **more)

    monkeypatch.setattr(probe, "Engine", engine)
    probe.main([str(checkpoint.folder), "cpu", "fp32", "bf16"])
    output = capfd.readouterr().out
    assert {"fails": "bf16", "why": "LookupError"} in said(output)
    assert list(said(output)[-1]["speeds"]) == ["fp32"]
    assert "secret" not in output


def test_one_that_stops_answering_in_numbers_is_left_out(
    checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: Iterator[float | EngineError] = iter(
        [1.0, 1.0, 1.0, EngineError("answers model-non-finite"), *[1.0] * 50]
    )

    def turn(*_: Any) -> float:
        seconds = next(turns)
        if isinstance(seconds, EngineError):
            raise seconds
        return seconds

    monkeypatch.setattr(probe, "_turn", turn)
    probe.main([str(checkpoint.folder), "cpu", "fp32", "bf16"])
    lines = said(capfd.readouterr().out)
    assert {"fails": "bf16", "why": "answers model-non-finite"} in lines
    assert list(lines[-1]["speeds"]) == ["fp32"]


def test_the_slow_are_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds take turns: medians are of the same minutes."""
    times = {"fp32": 2.0, "bf16": 1.1, "int8": 1.0}
    order: list[str] = []
    monkeypatch.setattr(probe, "SECONDS", 60.0)
    monkeypatch.setattr(probe, "say", lambda **what: order.append(what["tries"]))
    monkeypatch.setattr(probe, "_turn", lambda engine, batch: times[engine])
    engines: Any = {name: name for name in times}
    speeds = probe.measure(engines, [(np.zeros(8, np.int32), np.zeros(8, np.uint8))])
    assert speeds == {"fp32": 5.0, "bf16": pytest.approx(10 / 1.1), "int8": 10.0}
    assert order == ["fp32", *["bf16", "int8"] * probe.MOST_ROUNDS]


@pytest.mark.parametrize("tokens", [1, 64, 512, 1024])
def test_its_text_fits_the_windows_and_fills_the_batch(checkpoint: Checkpoint, tokens: int) -> None:
    batch = probe.passages(checkpoint, tokens)
    assert all(0 < len(ids) <= checkpoint.window - 2 and len(ids) == len(marks) for ids, marks in batch)
    assert abs(sum(len(ids) + 2 for ids, _ in batch) - tokens) <= 2
