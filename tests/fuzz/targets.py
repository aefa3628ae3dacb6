"""Every target by its name: whatever a stranger can send, read by the code that reads it in the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz import files, messages, texts

Target = Callable[[bytes], None]
"""Takes any bytes; raises only where a promise is broken."""

TARGETS: Mapping[str, Target] = {
    "decode": texts.decode,
    "passages": texts.passages,
    "assemble": texts.assembled,
    "time": texts.time_taken,
    "records": messages.records,
    "dead-letters": messages.letters,
    "commands": messages.commands,
    "cache": messages.cached,
    "wire": messages.spoken,
    "answers": messages.answers,
    "own-data": files.own_data,
    "terminology": files.terminology,
    "thresholds": files.thresholds,
    "settings": files.settings_file,
    "manifest": files.manifest,
    "huggingface": files.huggingface,
    "weights": files.weights,
}

HERE = Path(__file__).parent
SEEDS, FAILURES = HERE / "seeds", HERE / "failures"
"""A folder for each target: inputs made by hand, and inputs that once broke a promise."""


def kept(name: str) -> list[Path]:
    """Every input that is kept for a target."""
    return [path for folder in (SEEDS, FAILURES) for path in sorted((folder / name).glob("*"))]
