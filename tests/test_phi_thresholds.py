"""The file of the recall dial, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.corpora.scheme import PHI
from models.phi import CATEGORIES, read_thresholds, shipped_thresholds


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
