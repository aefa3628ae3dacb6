"""The file of the recall dial, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.corpora.scheme import PHI
from models.errors import CheckpointError
from models.phi import CATEGORIES, ThresholdsError, read_thresholds, shipped_thresholds


def test_the_categories_are_those_of_the_scheme() -> None:
    assert CATEGORIES == PHI
    assert shipped_thresholds().keys() == set(PHI)


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "NAME = 0.1\nSSN = 1"), ("a.json", '{"NAME": 0.1, "SSN": 1}')]
)
def test_a_file_changes_what_it_names(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    table = read_thresholds(path)
    assert (table["NAME"], table["SSN"]) == (0.1, 1.0)
    assert table["DATE"] == shipped_thresholds()["DATE"]


def test_a_checkpoint_s_own_categories_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("ROOM = 0.2", encoding="utf-8")
    assert read_thresholds(path, ["ROOM"])["ROOM"] == 0.2


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
        read_thresholds(path)
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
        read_thresholds(path)


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "a.toml", tmp_path / "none.toml"):
        with pytest.raises(ThresholdsError, match=path.name):
            read_thresholds(path)
