"""The recall dial: how sure a finding has to be, by category. Lower finds more, and hides too much."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from models.errors import CheckpointError

CATEGORIES = (
    "NAME", "LOCATION", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN_ID", "ACCOUNT",
    "LICENSE", "VEHICLE", "DEVICE", "URL", "IP_ADDRESS", "OTHER_ID", "ORGANIZATION", "PROFESSION",
)  # fmt: skip
SHIPPED = Path(__file__).parent / "thresholds.toml"
OTHERWISE = 0.5
"""For a category that no table names."""

Thresholds = Mapping[str, float]
"""Minimal confidence by category."""


class ThresholdsError(CheckpointError):
    """A file of thresholds cannot be used; the message says which, why, and what to do, in one line."""


@cache
def shipped_thresholds() -> Thresholds:
    return read_thresholds(SHIPPED)


def read_thresholds(path: Path, categories: Collection[str] = CATEGORIES) -> Thresholds:
    """A TOML or (by its ending) JSON file of `CATEGORY = minimal confidence in [0, 1]`.

    `categories`: those that the checkpoint knows. What a file does not name is as in the table shipped.
    Raises `ThresholdsError`.
    """
    shipped = {} if path == SHIPPED else dict(shipped_thresholds())
    return shipped | {name: _number(path, name, value, categories) for name, value in _table(path).items()}


def _table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ThresholdsError(f"{path}: cannot be read ({error.strerror}); name a readable file") from None
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        message = " ".join(str(error).split())
        raise ThresholdsError(f"{path}: is no {kind} ({message}); write lines like NAME = 0.3") from None
    if not isinstance(table, dict):
        raise ThresholdsError(f"{path}: is no table; write categories and numbers, like NAME = 0.3")
    return table


def _number(path: Path, name: str, value: Any, categories: Collection[str]) -> float:
    if name not in categories:
        raise ThresholdsError(f"{path}: no category {name!r}; there are {', '.join(categories)}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ThresholdsError(f"{path}: {name} is {value!r}; write a number from 0 to 1")
    return float(value)
