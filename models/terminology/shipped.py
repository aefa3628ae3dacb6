"""The terminologies that ship, as models/training/terminologies.py makes them."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from models.terminology.terms import Concept, Terminology, TerminologyError

COLUMNS = 5
FOLDER = Path(__file__).parents[1] / "terminologies"
_PROBLEMS = frozenset({"DISEASE", "SIGN_OR_SYMPTOM"})
SHIPPED: dict[str, frozenset[str]] = {
    "DRUGBANK": frozenset({"MEDICATION"}), "DOID": _PROBLEMS, "ICD10CM": _PROBLEMS,
}  # fmt: skip
"""Of which entities each speaks. For one category, the first is asked first."""


def load_shipped(folder: Path = FOLDER) -> tuple[Terminology, ...]:
    """In the order of `SHIPPED`. Raises `TerminologyError`."""
    return tuple(
        read_packed(folder / f"{system.lower()}.tsv.gz", system, categories)
        for system, categories in SHIPPED.items()
    )


def read_packed(path: Path, system: str, categories: frozenset[str] | None) -> Terminology:
    """Lines of code, name, aliases, related names, names seen; tabs between the five, "|" between names."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        codes, names, *others = _columns(text)
    except (OSError, EOFError, zlib.error, ValueError):
        raise TerminologyError(f"{path}: missing or damaged; install Streamer again") from None
    split = [[each.split("|") if each else () for each in column] for column in others]
    return Terminology.of_columns(system, codes, names, split, categories)


def _columns(text: str) -> list[tuple[str, ...]]:
    lines = text.split("\n")[:-1]
    columns: list[tuple[str, ...]] = [()] * COLUMNS
    if lines:
        columns = list(zip(*(line.split("\t") for line in lines), strict=True))
    if len(columns) != COLUMNS:
        raise ValueError("another number of columns")
    return columns


def pack(concepts: list[Concept]) -> bytes:
    """What `read_packed` reads: the same bytes for the same concepts, in whatever order they come."""
    lines = []
    for concept in sorted(concepts):
        known, fields = {concept.name}, [concept.code, concept.name]
        for names in (concept.aliases, concept.related, concept.seen):
            fields.append("|".join(sorted(set(names) - known)))
            known.update(names)
        if any(mark in part for part in fields for mark in "\t\n\r") or "|" in concept.name:
            raise ValueError(f"a name of {concept.code} holds a mark that separates names")
        lines.append("\t".join(fields) + "\n")
    return gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0)
