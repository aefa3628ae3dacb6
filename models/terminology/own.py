"""A terminology of one's own: a CSV file with the header `code,name,aliases`.

A file that would link to wrong codes stops with `TerminologyError`; a row that merely says nothing is left
out, and said to be, line by line.
"""

from __future__ import annotations

import csv
import gc
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from models.errors import printable
from models.terminology.terms import Concept, Terminology, TerminologyError

COLUMNS = ("code", "name", "aliases", "system", "categories")
LONGEST = 500
"""Characters of a name; what is longer is no name that a note would hold."""
LONGEST_CODE = 40
"""Characters of a code that a message quotes."""
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
    with _without_collecting():
        rows = _together(path, _usable(path, left_out))
        terminologies = _grouped(rows)
    if not rows:
        raise TerminologyError(f"{path}: no row with a code and a name; nothing can be linked to it")
    return Reading(terminologies, tuple(left_out))


@contextmanager
def _without_collecting() -> Iterator[None]:
    """A million small tuples are made, none of them part of a cycle: to look for cycles takes longer."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _grouped(rows: Iterable[_Row]) -> tuple[Terminology, ...]:
    groups: dict[tuple[str, frozenset[str] | None], list[Concept]] = {}
    for row in rows:
        groups.setdefault((row.system, row.categories), []).append(Concept(row.code, row.name, row.aliases))
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], sorted(item[0][1] or ())))
    return tuple(Terminology.of(system, each, kept) for (system, kept), each in ordered)


def _together(path: Path, rows: Iterable[_Row]) -> list[_Row]:
    """One row for each code of a system. Those of one code must agree but for their aliases."""
    found: dict[tuple[str, str], _Row] = {}
    clashes = []
    for row in rows:
        first = found.setdefault((row.system, row.code), row)
        if (row.name, row.categories) != (first.name, first.categories):
            clashes.append(f"line {row.line} ({printable(row.code[:LONGEST_CODE])}, as in line {first.line})")
        elif row is not first:
            aliases = tuple({*first.aliases, *row.aliases})
            found[row.system, row.code] = first._replace(aliases=aliases)
    if clashes:
        raise TerminologyError(
            f"{path}: one code with two names or two choices of categories in {_some(clashes)}; "
            "keep one row a code and move its other names to `aliases`"
        )
    return list(found.values())


def _some(places: list[str]) -> str:
    rest = len(places) - SHOWN
    return ", ".join(places[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _usable(path: Path, left_out: list[str]) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        _check_header(path, header)
        cell_of = _picker(header)
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue
            code, name, *others = cell_of(cells)
            code, name = code.strip(), " ".join(name.split())
            reason = _fault(code, name, len(cells), len(header))
            if reason is None:
                yield _row(reader.line_num, code, name, others, path)
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


def _picker(header: list[str]) -> Callable[[list[str]], list[str]]:
    """Cells in the order of `COLUMNS`; what a row does not have is empty."""
    places = [header.index(column) if column in header else len(header) for column in COLUMNS]

    def picked(cells: list[str]) -> list[str]:
        padded = [*cells[: len(header)], *[""] * (1 + max(0, len(header) - len(cells)))]
        return [padded[place] for place in places]

    return picked


def _fault(code: str, name: str, cells: int, columns: int) -> str | None:
    """Why a row says nothing; None if it does."""
    if cells > columns:
        return f"{cells} cells under {columns} columns (quote names that hold commas)"
    if not code:
        return "no code"
    if not name:
        return "no name"
    return f"a name of more than {LONGEST} characters" if len(name) > LONGEST else None


def _row(line: int, code: str, name: str, others: list[str], path: Path) -> _Row:
    aliases, system, categories = others
    return _Row(
        line,
        code,
        name,
        tuple(alias for alias in _split(aliases) if len(alias) <= LONGEST) if aliases else (),
        system.strip() or path.stem,
        (frozenset(_split(categories)) or None) if categories else None,
    )


def _split(joined: str) -> list[str]:
    return [each for part in joined.split("|") if (each := " ".join(part.split()))]
