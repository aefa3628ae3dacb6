"""Planted strings are found in whatever form they leave, and nothing else is taken for one."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.chaos import canaries
from streamer.chaos.notes import loads, texts


@pytest.mark.parametrize("kind", canaries.ALL)
@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_a_canary_is_found_in_every_form(kind: str, before: bytes, after: bytes) -> None:
    canary = canaries.ALL[kind].encode()
    whole = before + canary + after
    for form in (
        whole,
        whole.upper(),
        base64.b64encode(whole),
        whole.hex().encode(),
        before + quote(canary).encode() + after,
        before + quote_plus(canary).encode() + after,
    ):
        assert kind in canaries.found_in(form)


def test_what_holds_none_is_clean() -> None:
    assert canaries.found_in(b"2026-11-26 INFO streamer.worker: drained; patient-key; Zebulon") == []
    assert canaries.found_in(bytes(range(256)) * 40) == []


def test_a_sweep_names_where_and_never_what(tmp_path: Path) -> None:
    (tmp_path / "clean.log").write_text("nothing")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "node.log").write_text(f"note of {canaries.NAME}")
    found = canaries.sweep(canaries.files(tmp_path))
    assert found == ["a name in node.log"]
    assert canaries.NAME not in found[0]


def test_every_canary_is_in_the_notes() -> None:
    made = loads("01", 50, texts(50, 1), 1)
    said = b"".join(own.key + (own.value or b"") + b"".join(v for _, v in own.headers) for own in made)
    assert set(canaries.found_in(said)) == set(canaries.ALL)
