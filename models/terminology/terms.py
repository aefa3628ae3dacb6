"""A terminology in memory: columns of names, so that half a million of them are a few tens of megabytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import CheckpointError

PREFERRED, ALIAS, RELATED, SEEN = 0, 1, 2, 3
"""How a name belongs to its code: as its own name, as another name for the same, as words that mostly mean it
(an abbreviation, a brand, a narrower synonym), or as words that annotators of texts took to mean it."""


class TerminologyError(CheckpointError):
    """A terminology cannot be used; the message says which, why, and what to do, in one line."""


class Concept(NamedTuple):
    """A code and its names."""

    code: str
    name: str
    aliases: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


def _without_doubles(concept: Concept) -> list[list[str]]:
    """Its other names by kind, each once, ascending."""
    known, kinds = {concept.name}, []
    for names in (concept.aliases, concept.related, concept.seen):
        kinds.append(sorted(set(names) - known))
        known.update(names)
    return kinds


@dataclass(frozen=True, eq=False)
class Terminology:
    """Codes of one system. `names[:len(codes)]` are the preferred names in the order of `codes`, other names
    follow; `owners` int32 [names] says to which code a name belongs (its index), `kinds` uint8 [names] how.

    `categories`: of which entities it speaks; None: of all.
    """

    system: str
    codes: tuple[str, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    owners: NDArray[np.int32] = field(repr=False)
    kinds: NDArray[np.uint8] = field(repr=False)
    categories: frozenset[str] | None = None

    @classmethod
    def of(
        cls, system: str, concepts: Iterable[Concept], categories: frozenset[str] | None = None
    ) -> Terminology:
        """In whatever order they come, the same terminology. No code may come twice."""
        ordered = sorted(concepts)
        return cls.of_columns(
            system,
            tuple(concept.code for concept in ordered),
            tuple(concept.name for concept in ordered),
            list(zip(*(_without_doubles(concept) for concept in ordered), strict=True)),
            categories,
        )

    @classmethod
    def of_columns(
        cls,
        system: str,
        codes: tuple[str, ...],
        preferred: tuple[str, ...],
        others: Sequence[Sequence[Sequence[str]]],
        categories: frozenset[str] | None = None,
    ) -> Terminology:
        """`codes` ascending, their `preferred` names, and by kind of `others` from `ALIAS` on, for each code,
        names that are not yet its own, ascending."""
        names, owners, kinds = list(preferred), list(range(len(codes))), [PREFERRED] * len(codes)
        for kind, column in enumerate(others, ALIAS):
            for owner, more in enumerate(column):
                if more:
                    names += more
                    owners += [owner] * len(more)
                    kinds += [kind] * len(more)
        return cls(
            system, codes, tuple(names), np.array(owners, np.int32), np.array(kinds, np.uint8), categories
        )

    def covers(self, category: str) -> bool:
        return self.categories is None or category in self.categories

    @cached_property
    def fingerprint(self) -> str:
        """Changes with every code, name and category."""
        digest = hashlib.sha256()
        head = [
            self.system,
            *sorted(self.categories or ()),
            str(self.categories is None),
            str(len(self.codes)),
        ]
        for part in ("\x1f".join(head), "\x1f".join(self.codes), "\x1f".join(self.names)):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\x1e")
        digest.update(self.owners.tobytes())
        digest.update(self.kinds.tobytes())
        return digest.hexdigest()
