"""A terminology in memory: columns of names, so that half a million of them are a few tens of megabytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import CheckpointError

PREFERRED, ALIAS, RELATED = 0, 1, 2
"""How a name belongs to its code: as its own name, as another name for the same, or as words that mostly mean
it (an abbreviation, a brand, a narrower synonym)."""


class TerminologyError(CheckpointError):
    """A terminology cannot be used; the message says which, why, and what to do, in one line."""


class Concept(NamedTuple):
    """A code and its names."""

    code: str
    name: str
    aliases: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


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
        names = [concept.name for concept in ordered]
        owners, kinds = list(range(len(ordered))), [PREFERRED] * len(ordered)
        for index, concept in enumerate(ordered):
            seen = {concept.name}
            for kind, others in ((ALIAS, concept.aliases), (RELATED, concept.related)):
                for name in sorted(set(others) - seen):
                    names.append(name)
                    owners.append(index)
                    kinds.append(kind)
                seen.update(others)
        return cls(
            system,
            tuple(concept.code for concept in ordered),
            tuple(names),
            np.array(owners, np.int32),
            np.array(kinds, np.uint8),
            categories,
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
