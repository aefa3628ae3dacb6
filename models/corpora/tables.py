"""CSV and TSV: a text and its label a row, found by the names in the first row.

Dialects: commas, semicolons or tabs, fields quoted where they must be (RFC 4180); a tab-separated file that
does not quote is read too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from models.corpora.files import LOOK, read_file
from models.corpora.problems import Problems
from models.corpora.raw import RawDocument

TEXTS = ("text", "sentence", "note", "document", "report", "content")
LABELS = ("label", "labels", "class", "category", "target")
IDS = ("id", "doc_id", "document_id", "note_id")
TASK = "label"
"""The task of a column without a name."""
PREFIX = "label:"
BETWEEN = "|"
"""Between several labels of one text."""
_LONGEST_CELL = 1 << 30

Row = tuple[int, list[str]]
"""The line that it starts on, and its cells."""


@dataclass(frozen=True)
class Columns:
    """Names of columns that a user gives; where none are given, they are found by their names."""

    text: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Layout:
    """Where what is; `tasks`: name and column; `width`: columns of every row. `guessed`: no name
    says that a column is of labels."""

    text: int
    tasks: tuple[tuple[str, int], ...]
    id: int | None
    width: int
    headed: bool
    guessed: bool


def read(path: Path, problems: Problems, columns: Columns | None = None) -> Iterator[RawDocument]:
    """A document a row, its labels by task: the column's name, without "label:". Several are set apart by |.

    An empty cell says nothing of its task; a row without any label is left out. Without names in the first
    row there may be two columns, of which the one with more different cells is the text.
    """
    decoded = read_file(path, problems)
    columns = columns or Columns()
    rows = _rows(path, decoded.text, columns, problems) if decoded else []
    if decoded and not rows and not any(problem.path == path for problem in problems.found):
        problems.skipped(path, 0, "is empty")
    layout = _layout(path, rows, columns, problems) if rows else None
    if layout is None:
        return
    for line, cells in rows[1:] if layout.headed else rows:
        classes = {}
        if len(cells) == layout.width:
            for task, at in layout.tasks:
                labels = dict.fromkeys(label.strip() for label in cells[at].split(BETWEEN))
                if any(labels):
                    classes[task] = tuple(label for label in labels if label)
        if len(cells) != layout.width:
            problems.lose(path, line, f"has {len(cells)} columns, the first row {layout.width}")
        elif not classes:
            problems.skipped(path, line, "its label is empty")
        else:
            identity = cells[layout.id].strip() if layout.id is not None else ""
            yield RawDocument(
                path, line, cells[layout.text], identity, classes=classes, guessed=layout.guessed
            )


def _rows(path: Path, text: str, columns: Columns, problems: Problems) -> list[Row]:
    """Rows that have a cell with something in it; none where quotes are wrong, which is a fatal problem."""
    signs = (",", ";", "\t") if path.suffix.lower() == ".csv" else ("\t", ",", ";")
    wanted = {columns.text.lower()} if columns.text else set(TEXTS)
    delimiter = max(signs, key=lambda sign: _fitness(text, sign, wanted))
    rows, wrong = _parsed(text, delimiter, csv.QUOTE_MINIMAL)
    if wrong and delimiter == "\t":
        rows, wrong = _parsed(text, delimiter, csv.QUOTE_NONE)
    if wrong:
        what = "a quoted field that starts here does not end, or goes on after its end"
        problems.fatal(path, wrong, what, 'write a quote within quotes as ""')
        return []
    return rows


def _fitness(text: str, sign: str, wanted: set[str]) -> tuple[bool, bool]:
    """Whether the first row names a text, and whether the first rows have as many columns, two or more."""
    rows = _parsed(text[:LOOK], sign, csv.QUOTE_MINIMAL)[0][:20]
    names = {cell.strip().lower() for cell in rows[0][1]} if rows else set()
    widths = {len(cells) for _, cells in rows}
    return bool(names & wanted) and len(names) > 1, len(widths) == 1 and min(widths) > 1


def _parsed(text: str, delimiter: str, quoting: Literal[0, 3]) -> tuple[list[Row], int]:
    """Rows, and the line of the one that is not well-formed, 0 for none."""
    rows: list[Row] = []
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    before = csv.field_size_limit(_LONGEST_CELL)
    start = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                rows.append((start, cells))
            start = reader.line_num + 1
    except csv.Error:
        return rows, start
    finally:
        csv.field_size_limit(before)
    return rows, 0


# --- which column is what ------------------------------------------------------------------------


def _layout(path: Path, rows: Sequence[Row], columns: Columns, problems: Problems) -> _Layout | None:
    """None where a column is missing, which is a fatal problem."""
    line, header = rows[0]
    names = [cell.strip().lower() for cell in header]
    texts = [columns.text] if columns.text else [name for name in TEXTS if name in names][:1]
    missing = [name for name in (*texts, *columns.labels) if names.count(name.lower()) != 1]
    if missing:
        what = (
            f"has no column {missing[0]}"
            if missing[0].lower() not in names
            else f"has two columns {missing[0]}"
        )
        problems.fatal(path, line, what, "name each column once in the first row")
        return None
    tasks = _tasks(header, columns)
    used = {at for _, at in tasks}
    identity = next(
        (names.index(name) for name in IDS if name in names and names.index(name) not in used), None
    )
    guessed = not tasks
    if texts:
        text = names.index(texts[0].lower())
        others = [at for at in range(len(names)) if at not in (text, identity)]
        if not tasks and len(others) == 1:
            tasks = [(header[others[0]].strip() or TASK, others[0])]
    elif len(names) == 2:
        return _unnamed(path, rows, tasks, problems)
    else:
        problems.fatal(
            path, line, "has no column named text", "name the columns in the first row: text,label"
        )
        return None
    if not tasks:
        do = f"name the columns in the first row: text,label or text,{PREFIX}<task>"
        problems.fatal(path, line, "has no column named label", do)
        return None
    return _Layout(text, tuple(tasks), identity, len(names), headed=True, guessed=guessed)


def _tasks(header: Sequence[str], columns: Columns) -> list[tuple[str, int]]:
    """Task and column: those given, else those called label, else one called otherwise."""
    named = {cell.strip().lower(): (cell.strip(), at) for at, cell in reversed(list(enumerate(header)))}
    if columns.labels:
        chosen = [named[name.lower()] for name in columns.labels]
    else:
        chosen = [named[name] for name in named if name in LABELS[:2] or name.startswith(PREFIX)]
        chosen = chosen or [named[name] for name in LABELS if name in named][:1]
    return sorted(
        (
            (name[len(PREFIX) :].strip() or TASK if name.lower().startswith(PREFIX) else name, at)
            for name, at in chosen
        ),
        key=lambda task: task[1],
    )


def _unnamed(
    path: Path, rows: Sequence[Row], tasks: Sequence[tuple[str, int]], problems: Problems
) -> _Layout | None:
    """Of two columns without a name for the text: the one with more different cells is the text.

    Of two that have as many, the longer. The first row is of names if its label is none of the others'.
    """
    full = [cells for _, cells in rows[1:] or rows if len(cells) == 2]
    sizes = [(len({cells[at] for cells in full}), sum(len(cells[at]) for cells in full)) for at in (0, 1)]
    text = 1 - tasks[0][1] if tasks else int(sizes[1] > sizes[0])
    line, first = rows[0]
    headed = bool(tasks) or first[1 - text] not in {cells[1 - text] for cells in full}
    if headed and not tasks:
        what = "no column is named text; the one with more different cells is taken for it"
        problems.warn(path, line, what, "its first row is taken for names and not learned from")
    return _Layout(text, tuple(tasks) or ((TASK, 1 - text),), None, 2, headed, guessed=not tasks)
