"""Links mentions to codes: the same name, then the same form of it, then what looks most like it.

Pure: the same note and mentions give the same links; threads may share a `Linker`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from models.linking.abbreviations import definitions
from models.linking.index import Index
from models.linking.search import by_likeness, by_name
from models.terminology import Terminology, TerminologyError, load_shipped, read_own
from models.types import Link, Span

MOST = 3
"""Links of a mention."""
FLOOR = 0.5
"""Score of a link, at least."""
LONGEST = 200
"""Characters of a mention that can be linked; what is longer is no name."""
CACHED = 1 << 15
"""Mentions whose links are remembered."""
KNOWN, DOUBTFUL = 0.9, 0.7
"""Where a terminology knows a name so well, those after it are not asked for what is like it; nor is any link
with less than the second given."""
SURE = 0.75
"""Score of what the note says an abbreviation means, from which on nothing else is asked."""
BY_DEFINITION = 0.98
"""What is left of a score when the note itself says what an abbreviation means."""

_RULES = ("*.py", "*.tsv")
_ASIDE = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*")
_WORD = re.compile(r"[^\W_]+")

Mention = tuple[Span, str]


class Linker:
    """Makes links of mentions; docs/terminology.md says how well and how fast. Threads may share one."""

    def __init__(
        self,
        terminologies: Iterable[Terminology],
        *,
        table: Mapping[str, Sequence[str]] | None = None,
        most: int = MOST,
        floor: float = FLOOR,
    ) -> None:
        """`terminologies`: the preferred first. `table`: by category the systems that are asked for it, in
        their order; a category that it does not name is left to what each terminology covers.

        Raises `TerminologyError` for a system that no terminology has.
        """
        self._indices = [Index(terminology) for terminology in terminologies]
        self._table = {category: tuple(systems) for category, systems in (table or {}).items()}
        self._most, self._floor = most, floor
        self._named = lru_cache(CACHED)(self._search)
        known = {index.terminology.system for index in self._indices}
        unknown = sorted({system for systems in self._table.values() for system in systems} - known)
        if unknown:
            raise TerminologyError(f"no terminology has the system {unknown[0]!r}; there are {sorted(known)}")

    @classmethod
    def load(cls, own: Iterable[Path] = ()) -> Linker:
        """One's own terminologies, in their order, before those that ship. Raises `TerminologyError`."""
        mine = [terminology for path in own for terminology in read_own(path).terminologies]
        return cls([*mine, *load_shipped()])

    def __repr__(self) -> str:
        return f"Linker({[index.terminology.system for index in self._indices]})"

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the terminologies, the rules, the code of this package and the settings."""
        digest = hashlib.sha256(repr((self._most, self._floor, sorted(self._table.items()))).encode())
        for pattern in _RULES:
            for path in sorted(Path(__file__).parent.glob(pattern)):
                digest.update(path.read_bytes())
        for index in self._indices:
            digest.update(index.terminology.fingerprint.encode())
        return digest.hexdigest()

    def link(self, text: str, mentions: Sequence[Mention]) -> list[tuple[Link, ...]]:
        """For each mention (a span of `text` and its category) its links, best first; none: nothing fits.

        `text`: the whole note, which may say what its abbreviations mean. Spans may be any.
        """
        known = definitions(text, [span for span, _ in mentions])
        return [
            self._mention(text[max(span.start, 0) : max(span.end, 0)], category, known)
            for span, category in mentions
        ]

    def _mention(self, name: str, category: str, known: Mapping[str, str]) -> tuple[Link, ...]:
        if len(name) > LONGEST:
            return ()
        found = [self._named(name, category)]
        expanded = _expanded(name, known)
        if expanded is not None:
            by_definition = _scaled(self._named(expanded, category))
            if by_definition and by_definition[0].score >= SURE * BY_DEFINITION:
                return by_definition
            found.append(by_definition)
        without = _ASIDE.sub(" ", name).strip()
        if without != name:
            found.append(_scaled(self._named(without, category)))
        return max(found, key=lambda links: links[0].score if links else 0.0)

    def _search(self, name: str, category: str) -> tuple[Link, ...]:
        """Of each system its best, then the best of all others, at most `most`; ordered by score."""
        asked = self._asked(category)
        by_index, best = [], 0.0
        for index in asked:
            found = by_name(index, name, category, self._most)
            if not found and best < KNOWN:
                found = by_likeness(index, name, category, self._most)
            best = max(best, found[0].score if found else 0.0)
            by_index.append(found)
        least = self._floor if best < KNOWN else max(self._floor, DOUBTFUL)
        ranked = sorted(
            (rank > 0, -candidate.score, order, rank, candidate.owner)
            for order, found in enumerate(by_index)
            for rank, candidate in enumerate(found)
            if candidate.score >= least
        )
        kept: dict[tuple[str, str], tuple[float, int, int, Link]] = {}
        for _, score, order, rank, owner in ranked:
            link = _link(asked[order].terminology, owner, -score)
            kept.setdefault((link.system, link.code), (score, order, rank, link))
        first = sorted(list(kept.values())[: self._most], key=lambda each: each[:3])
        return tuple(link for *_, link in first)

    def _asked(self, category: str) -> list[Index]:
        systems = self._table.get(category)
        if systems is None:
            return [index for index in self._indices if index.terminology.covers(category)]
        return [index for system in systems for index in self._indices if index.terminology.system == system]


def _link(terminology: Terminology, owner: int, score: float) -> Link:
    return Link(terminology.system, terminology.codes[owner], terminology.names[owner], score)


def _scaled(links: tuple[Link, ...]) -> tuple[Link, ...]:
    return tuple(
        Link(link.system, link.code, link.name, round(link.score * BY_DEFINITION, 3)) for link in links
    )


def _expanded(name: str, known: Mapping[str, str]) -> str | None:
    """A name with the abbreviations that the note explains written out; None without any."""
    if not known:
        return None
    for form in (name, name.removesuffix("s"), f"{name}s"):
        if form in known:
            return _written_out(known[form], known)
    expanded = _written_out(_written_out(name, known), known)  # a long form may hold another short one
    return None if expanded == name else expanded


def _written_out(name: str, known: Mapping[str, str]) -> str:
    return _WORD.sub(lambda word: known.get(word[0], word[0]), name)[:LONGEST]
