"""Files of minimal confidences, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import CheckpointError
from models.thresholds import ThresholdsError, read_table

KNOWN = ("NAME", "DATE")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.toml", "NAEM = 0.1", "no category 'NAEM'"),
        ("a.toml", "NAME = 2", "NAME is 2; write a number from 0 to 1"),
        ("a.toml", "NAME = true", "NAME is True"),
        ("a.toml", "NAME = 'low'", "NAME is 'low'"),
        ("a.toml", "NAME = nan", "NAME is nan"),
        ("a.toml", "NAME 0.1", "is no TOML"),
        ("a.json", "[1]", "is no table"),
        ("a.json", "{", "is no JSON"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, name: str, text: str, why: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ThresholdsError) as caught:
        read_table(path, KNOWN)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert why in message
    assert "\n" not in message
    assert isinstance(caught.value, CheckpointError)


@pytest.mark.parametrize(("name", "text"), [("a.toml", "NAME = " + "[" * 100_000), ("a.json", "[" * 100_000)])
def test_a_file_nested_without_end_is_named(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ThresholdsError, match=name):
        read_table(path, KNOWN)


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "a.toml", tmp_path / "none.toml"):
        with pytest.raises(ThresholdsError, match=path.name):
            read_table(path, KNOWN)
