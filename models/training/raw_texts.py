"""Raw texts that users bring to pre-train on: .txt files, .jsonl with a field text, .csv with a column text.

Nothing in them is labelled and nothing is interpreted; what is wrong is named by file and line, as of
labelled data, never with a word of a text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from models.corpora.files import lines_of, read_file
from models.corpora.jsonl import json_lines
from models.corpora.problems import Problem, Problems
from models.corpora.tables import TEXTS

PLAIN, LINES, TABLES = (".txt",), (".jsonl", ".ndjson"), (".csv", ".tsv")
LONGEST_CELL = 1 << 30


@dataclass(frozen=True)
class RawTexts:
    """Distinct texts in the order of the files; `repeated`: how many were there before."""

    texts: tuple[str, ...] = field(repr=False)
    repeated: int
    problems: tuple[Problem, ...]

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))


def read_raw(places: Sequence[Path]) -> RawTexts:
    """All texts of files and folders. Raises `DataError`, which says all that is wrong."""
    problems = Problems()
    texts: dict[str, None] = {}
    count = 0
    for place in places:
        for path in _files(place, problems):
            for text in _texts(path, problems):
                count += 1
                texts.setdefault(text)
    root = places[0] if len(places) == 1 else Path("the texts")
    if not texts and not any(problem.kind == "fatal" for problem in problems.found):
        do = "bring .txt files, .jsonl with a field text, or .csv with a column text"
        problems.fatal(root, 0, "holds no text", do)
    problems.stop(root)
    return RawTexts(tuple(texts), count - len(texts), tuple(problems.found))


def _files(place: Path, problems: Problems) -> list[Path]:
    known = (*PLAIN, *LINES, *TABLES)
    if place.is_dir():
        below = (path for path in sorted(place.rglob("*")) if path.is_file())
        seen = (p for p in below if not any(part.startswith(".") for part in p.relative_to(place).parts))
        return [path for path in seen if path.suffix.lower() in known]
    if not place.is_file():
        problems.fatal(place, 0, "is neither a file nor a folder", "name the texts to pre-train on")
    elif place.suffix.lower() not in known:
        problems.fatal(place, 0, "has an unknown ending", f"known are {', '.join(known)}")
    else:
        return [place]
    return []


def _texts(path: Path, problems: Problems) -> Iterator[str]:
    decoded = read_file(path, problems)
    if decoded is None:
        return
    suffix = path.suffix.lower()
    if suffix in PLAIN:
        found: Iterable[tuple[int, str]] = [(0, decoded.text)]
    elif suffix in LINES:
        found = _lines(path, decoded.text, problems)
    else:
        found = _rows(path, decoded.text, problems)
    for line, text in found:
        if text.strip():
            yield text
        else:
            problems.skipped(path, line, "has no text")


def _lines(path: Path, content: str, problems: Problems) -> Iterator[tuple[int, str]]:
    for number, row in json_lines(path, content, problems):
        if isinstance(row, dict) and isinstance(row.get("text"), str):
            yield number, row["text"]
        else:
            problems.lose(path, number, 'is no JSON object with a "text"')


def _rows(path: Path, content: str, problems: Problems) -> Iterator[tuple[int, str]]:
    """The column that is called text, or as `models.corpora.tables` knows it, case aside."""
    first = lines_of(content)[0].lower()
    delimiter = max(",;\t", key=lambda sign: len(set(_cells(first, sign)) & set(TEXTS)))
    names = _cells(first, delimiter)
    column = next((names.index(name) for name in TEXTS if name in names), None)
    if column is None:
        problems.fatal(path, 1, "has no column named text", "name the columns in its first row")
        return
    before = csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader)
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) > column:
                yield start, cells[column]
            elif cells:
                problems.lose(path, start, "has fewer columns than the first row")
            start = reader.line_num + 1
    except csv.Error:
        what = "a quoted field that starts here does not end, or goes on after its end"
        problems.fatal(path, start, what, 'write a quote within quotes as ""')
    finally:
        csv.field_size_limit(before)


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(delimiter)]
