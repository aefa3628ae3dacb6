"""A terminology of one's own: a CSV file with the header `code,name,aliases`.

A file that would link to wrong codes stops with `TerminologyError`; a row that merely says nothing is left
out, and said to be, line by line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from models.terminology.terms import Concept, Terminology, TerminologyError

COLUMNS = ("code", "name", "aliases", "system", "categories")
LONGEST = 500
"""Characters of a name; what is longer is no name that a note would hold."""
SHOWN = 3
"""Places named in a message; the rest are counted."""


class Reading(NamedTuple):
    """What a file holds (one terminology for each system and choice of categories), and which rows were left
    out: lines such as "line 7: no name; left out"."""

    terminologies: tuple[Terminology, ...]
    left_out: tuple[str, ...]


class _Row(NamedTuple):
    line: int
    code: str
    name: str
    aliases: tuple[str, ...]
    system: str
    categories: frozenset[str] | None


def read_own(path: Path) -> Reading:
    """UTF-8, with or without a byte order mark; "|" between aliases and between categories.

    `system`: a column, or else the file's name without its ending; `categories`: the entities that a row is
    for, none: all. One code in several rows with one name is one concept. The order of rows does not matter.
    Raises `TerminologyError`: unreadable, not UTF-8, no such header, one code with two names, nothing usable.
    """
    left_out: list[str] = []
    rows = list(_usable(path, left_out))
    if not rows:
        raise TerminologyError(f"{path}: no row with a code and a name; nothing can be linked to it")
    groups: dict[tuple[str, frozenset[str] | None], list[Concept]] = {}
    for group in _by_code(path, rows):
        aliases = tuple(sorted({alias for row in group for alias in row.aliases}))
        first = group[0]
        concept = Concept(first.code, first.name, aliases)
        groups.setdefault((first.system, first.categories), []).append(concept)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], sorted(item[0][1] or ())))
    terminologies = tuple(Terminology.of(system, each, kept) for (system, kept), each in ordered)
    return Reading(terminologies, tuple(left_out))


def _by_code(path: Path, rows: list[_Row]) -> list[list[_Row]]:
    """Rows of each code of a system. Two of one code must agree but for their aliases."""
    groups: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.system, row.code), []).append(row)
    clashes = [
        f"line {row.line} ({row.code}, as in line {group[0].line})"
        for group in groups.values()
        for row in group[1:]
        if (row.name, row.categories) != (group[0].name, group[0].categories)
    ]
    if clashes:
        raise TerminologyError(
            f"{path}: one code with two names or two choices of categories in {_some(clashes)}; "
            "keep one row a code and move its other names to `aliases`"
        )
    return list(groups.values())


def _some(places: list[str]) -> str:
    rest = len(places) - SHOWN
    return ", ".join(places[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _usable(path: Path, left_out: list[str]) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        _check_header(path, header)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            reason = _fault(header, cells)
            if reason is None:
                yield _row(path, reader.line_num, dict(zip(header, cells, strict=False)))
            else:
                left_out.append(f"line {reader.line_num}: {reason}; left out")
    except csv.Error as error:
        raise TerminologyError(
            f"{path}: line {reader.line_num} is no CSV ({error}); quote names that hold commas or quotes"
        ) from None


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TerminologyError(f"{path}: cannot be read ({error.strerror}); name a readable file") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TerminologyError(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from None


def _check_header(path: Path, header: list[str]) -> None:
    missing = [column for column in ("code", "name") if column not in header]
    unknown = [column for column in header if column not in COLUMNS]
    if missing or unknown or len(set(header)) < len(header):
        raise TerminologyError(
            f"{path}: the first line must be the header code,name,aliases "
            "(and system, categories if wanted), with commas between"
        )


def _fault(header: list[str], cells: list[str]) -> str | None:
    """Why a row says nothing; None if it does."""
    if len(cells) > len(header):
        return f"{len(cells)} cells under {len(header)} columns (quote names that hold commas)"
    cell = dict(zip(header, cells, strict=False))
    if not cell.get("code", "").strip():
        return "no code"
    name = " ".join(cell.get("name", "").split())
    if not name:
        return "no name"
    return f"a name of more than {LONGEST} characters" if len(name) > LONGEST else None


def _row(path: Path, line: int, cell: dict[str, str]) -> _Row:
    categories = frozenset(_split(cell.get("categories", "")))
    return _Row(
        line,
        cell["code"].strip(),
        " ".join(cell["name"].split()),
        tuple(alias for alias in _split(cell.get("aliases", "")) if len(alias) <= LONGEST),
        cell.get("system", "").strip() or path.stem,
        categories or None,
    )


def _split(joined: str) -> list[str]:
    return [each for part in joined.split("|") if (each := " ".join(part.split()))]
