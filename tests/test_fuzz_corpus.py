"""Every input that is kept for the fuzzer's targets, without the fuzzer: `make fuzz` looks for new ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.run import smaller
from tests.fuzz.targets import FAILURES, SEEDS, TARGETS, kept
from tests.test_assemble import TEXTS

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


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.binary(max_size=255))
def test_whatever_an_encoder_answers_the_record_holds_together(text: str, decisions: bytes) -> None:
    content = text.encode() * (1 + 2 * len(decisions) // len(text.encode()))
    TARGETS["assemble"](content + decisions + bytes([len(decisions)]))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_of_an_input_that_breaks_a_promise_only_what_breaks_it_is_kept(before: bytes, after: bytes) -> None:
    def target(data: bytes) -> None:
        assert b"\xfe!" not in data

    assert smaller(target, before + b"\xfe!" + after, 60) == b"\xfe!"
    assert smaller(target, before.replace(b"!", b""), 60) == before.replace(b"!", b"")


def test_every_target_has_inputs_and_every_folder_a_target() -> None:
    assert {path.name for path in SEEDS.iterdir()} == set(TARGETS)
    assert {path.name for path in FAILURES.glob("*/")} <= set(TARGETS)
