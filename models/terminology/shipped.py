"""The terminologies that ship, as models/training/terminologies.py makes them."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from models.terminology.terms import Concept, Terminology, TerminologyError

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
    """Lines of code, name, aliases, related names; tabs between the four, "|" between names."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        concepts = [_concept(*line.split("\t")) for line in text.split("\n")[:-1]]
    except (OSError, EOFError, zlib.error, ValueError, TypeError):
        raise TerminologyError(f"{path}: missing or damaged; install Streamer again") from None
    return Terminology.of(system, concepts, categories)


def _concept(code: str, name: str, aliases: str, related: str) -> Concept:
    return Concept(code, name, _names(aliases), _names(related))


def _names(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("|")) if joined else ()


def pack(concepts: list[Concept]) -> bytes:
    """What `read_packed` reads: the same bytes for the same concepts, in whatever order they come."""
    lines = []
    for concept in sorted(concepts):
        aliases = sorted(set(concept.aliases) - {concept.name})
        related = sorted(set(concept.related) - {concept.name, *aliases})
        fields = (concept.code, concept.name, "|".join(aliases), "|".join(related))
        if any(mark in part for part in fields for mark in "\t\n\r") or "|" in concept.name:
            raise ValueError(f"a name of {concept.code} holds a mark that separates names")
        lines.append("\t".join(fields) + "\n")
    return gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0)
