"""Files of minimal confidences: how sure a finding has to be, by category."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from models.errors import CheckpointError

Thresholds = Mapping[str, float]
"""Minimal confidence by category."""


class ThresholdsError(CheckpointError):
    """A file of thresholds cannot be used; the message says which, why, and what to do, in one line."""


def read_table(path: Path, categories: Collection[str]) -> Thresholds:
    """A TOML or (by its ending) JSON file of `CATEGORY = minimal confidence in [0, 1]`.

    `categories`: those that there are. Raises `ThresholdsError`.
    """
    return {name: _number(path, name, value, categories) for name, value in _table(path).items()}


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
