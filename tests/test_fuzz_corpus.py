"""Every input that is kept for the fuzzer's targets, without the fuzzer: `make fuzz` looks for new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import FAILURES, SEEDS, TARGETS, kept

INPUTS = [(name, path) for name in TARGETS for path in kept(name)]


@pytest.mark.parametrize(
    ("name", "path"), INPUTS, ids=[f"{name}/{path.parent.parent.name}/{path.name}" for name, path in INPUTS]
)
def test_a_kept_input_breaks_no_promise(name: str, path: Path) -> None:
    TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_and_noise_break_no_promise(name: str) -> None:
    for data in (b"", b"\0", b"\xff" * 64, bytes(range(256))):
        TARGETS[name](data)


def test_every_target_has_inputs_and_every_folder_a_target() -> None:
    assert {path.name for path in SEEDS.iterdir()} == set(TARGETS)
    assert {path.name for path in FAILURES.glob("*/")} <= set(TARGETS)
