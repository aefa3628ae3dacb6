from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.types import Findings
from streamer.errors import SettingError
from streamer.sealing import Sealer
from tests.cache_kit import CANARIES, SECRET, passages, read

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
SEALER = Sealer(SECRET, "fingerprint")


@given(ANY_TEXT)
def test_what_is_sealed_is_opened_under_its_own_key(text: str) -> None:
    key = SEALER.key(text)
    assert SEALER.open(key, SEALER.seal(key, read(text))) == read(text)


@given(ANY_TEXT, ANY_TEXT)
def test_a_value_of_another_passage_is_not_opened_under_this_key(text: str, other: str) -> None:
    key, other_key = SEALER.key(text), SEALER.key(other)
    assert (key == other_key) == (text == other)
    if text != other:
        assert SEALER.open(key, SEALER.seal(other_key, read(other))) is None


@given(st.binary(max_size=100))
def test_garbage_is_not_opened(value: bytes) -> None:
    assert SEALER.open(SEALER.key("text"), value) is None


@given(st.data())
def test_a_value_cut_short_or_changed_anywhere_is_not_opened(data: st.DataObject) -> None:
    key = SEALER.key("text")
    value = SEALER.seal(key, read("text"))
    place = data.draw(st.integers(0, len(value) - 1))
    assert SEALER.open(key, value[:place]) is None
    flipped = bytearray(value)
    flipped[place] ^= data.draw(st.integers(1, 255))
    assert SEALER.open(key, bytes(flipped)) is None


def test_what_is_no_findings_is_not_opened_though_it_is_sealed_well(monkeypatch: pytest.MonkeyPatch) -> None:
    key = SEALER.key("text")
    monkeypatch.setattr("streamer.sealing._encode", lambda findings: b"\xc1 not msgpack")
    assert SEALER.open(key, SEALER.seal(key, Findings())) is None


def test_keys_depend_on_secret_fingerprint_and_text_and_tell_nothing_of_them() -> None:
    sealers = [Sealer(SECRET, "f1"), Sealer(SECRET, "f2"), Sealer(SECRET[::-1], "f1")]
    keys = {sealer.key(text) for sealer in sealers for text in passages(1)}
    assert len(keys) == 12
    assert all(len(key) == len(b"streamer:") + 8 + 1 + 43 for key in keys)
    assert not any(canary.encode() in key for key in keys for canary in (*CANARIES, SECRET))
    assert Sealer(SECRET, "f1").key("a") == Sealer(SECRET, "f1").key("a")


def test_the_same_findings_are_never_sealed_to_the_same_bytes() -> None:
    key = SEALER.key("text")
    assert len({SEALER.seal(key, read("text")) for _ in range(100)}) == 100


def test_a_short_secret_is_refused_and_no_secret_is_shown() -> None:
    with pytest.raises(SettingError, match="cache_secret") as raised:
        Sealer("hunter2", "fingerprint")
    assert "hunter2" not in str(raised.value)
    assert SECRET not in repr(SEALER)
