"""The recall dial: how sure a finding has to be, by category. Lower finds more, and hides too much."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

from models.thresholds import Thresholds, read_table

CATEGORIES = (
    "NAME", "LOCATION", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN_ID", "ACCOUNT",
    "LICENSE", "VEHICLE", "DEVICE", "URL", "IP_ADDRESS", "OTHER_ID", "ORGANIZATION", "PROFESSION",
)  # fmt: skip
SHIPPED = Path(__file__).parent / "thresholds.toml"
OTHERWISE = 0.5
"""For a category that no table names."""


@cache
def shipped_thresholds() -> Thresholds:
    return read_thresholds(SHIPPED)


def read_thresholds(path: Path, categories: Collection[str] = CATEGORIES) -> Thresholds:
    """A file of `models.thresholds`. `categories`: those that the checkpoint knows. What a file does not name
    is as in the table shipped. Raises `ThresholdsError`.
    """
    shipped = {} if path == SHIPPED else dict(shipped_thresholds())
    return shipped | dict(read_table(path, categories))
