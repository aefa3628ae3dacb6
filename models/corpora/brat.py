"""Standoff annotations of the brat rapid annotation tool: a text in .txt, its labels in .ann.

Format: https://brat.nlplab.org/standoff.html. Of its lines, T (spans), R (relations), E (events), A and M
(attributes) and N (codes) are read, notes (#) are not, equivalences (*) neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from models.corpora.asserted import read_attribute
from models.corpora.files import lines_of, read_file
from models.corpora.problems import Problems, shown
from models.corpora.raw import RawDocument, RawRelation, RawSpan

_NUMBER = r"[0-9]{1,9}"
_SPAN = re.compile(rf"(T\S*)\t(\S+) ({_NUMBER} {_NUMBER}(?:;{_NUMBER} {_NUMBER})*) *(?:\t(.*))?")
_EVENT = re.compile(r"(E\S*)\t([^\s:]+):(\S+)((?: +[^\s:]+:\S+)*) *")
_RELATION = re.compile(r"R\S*\t(\S+) +[^\s:]+:(\S+) +[^\s:]+:(\S+)\s*")
_ATTRIBUTE = re.compile(r"[AM]\S*\t(\S+) +(\S+)(?: +(.*))?")
_CODE = re.compile(r"N\S*\t\S+ +(\S+) +[^:\s]*:(\S+)(?:\t.*)?")
_KINDS = (("T", _SPAN), ("E", _EVENT), ("R", _RELATION), ("A", _ATTRIBUTE), ("M", _ATTRIBUTE), ("N", _CODE))

Rows = list[tuple[int, tuple[str | None, ...]]]
"""Line numbers and fields."""


class _Ends(NamedTuple):
    """By the names of spans and of events, which stand for their spans: where the span is in the tuple."""

    spans: dict[str, int]
    events: dict[str, str]

    def place(self, name: str) -> int:
        return self.spans.get(self.events.get(name, name), -1)


def read(path: Path, problems: Problems) -> Iterator[RawDocument]:
    """The document of an .ann file. An event's arguments are relations from its trigger, named by the role.

    An .ann file that is empty says that nothing is to be found.
    """
    text, marks = read_file(path.with_suffix(".txt"), problems), read_file(path, problems)
    if text is None or marks is None:
        return
    rows = _rows(marks.text, path, problems)
    spans: dict[str, RawSpan] = {}
    for line, (name, label, places, said) in rows["T"]:
        span = _span(line, label or "", places or "", said, text.text)
        if span is None:
            what = f"{shown(label or '')} lies in {(places or '').count(';') + 1} pieces"
            problems.skipped(path, line, what)
        elif name in spans:
            problems.skipped(path, line, f"{span}: its name was given before")
        else:
            spans[name or ""] = span
    ends = _Ends({name: at for at, name in enumerate(spans)}, _triggers(rows["E"]))
    relations = (*_relations(rows["R"], ends), *_arguments(rows["E"], ends))
    read = _with_attributes(list(spans.values()), rows["A"] + rows["M"], ends, path, problems)
    read = _with_codes(read, rows["N"], ends)
    yield RawDocument(path, 0, text.text, spans=tuple(read), relations=relations, bom=text.bom)


def _rows(marks: str, path: Path, problems: Problems) -> dict[str, Rows]:
    rows: dict[str, Rows] = {letter: [] for letter, _ in _KINDS}
    forms = dict(_KINDS)
    for number, line in enumerate(lines_of(marks), start=1):
        letter = line[:1]
        if not line.strip() or letter == "#":
            continue
        found = forms[letter].fullmatch(line) if letter in forms else None
        if found:
            rows[letter].append((number, found.groups()))
        else:
            what = "an equivalence" if letter == "*" else "no line as brat writes it"
            problems.skipped(path, number, what)
    return rows


def _span(line: int, label: str, places: str, said: str | None, text: str) -> RawSpan | None:
    """None for one in several pieces; brat also cuts where a line ends, which does not count."""
    pieces = [tuple(map(int, piece.split())) for piece in places.split(";")]
    for (_, end), (start, _) in pairwise(pieces):
        if not end <= start or text[end:start].strip():
            return None
    return RawSpan(line, pieces[0][0], pieces[-1][1], label, text=said)


def _triggers(events: Rows) -> dict[str, str]:
    return {name or "": trigger or "" for _, (name, _, trigger, _) in events}


def _relations(rows: Rows, ends: _Ends) -> Iterator[RawRelation]:
    for line, (label, source, target) in rows:
        yield RawRelation(line, label or "", ends.place(source or ""), ends.place(target or ""))


def _arguments(events: Rows, ends: _Ends) -> Iterator[RawRelation]:
    for line, (_, _, trigger, arguments) in events:
        for argument in (arguments or "").split():
            role, _, name = argument.partition(":")
            label = role.rstrip("0123456789") or role  # a second Theme is called Theme2
            yield RawRelation(line, label, ends.place(trigger or ""), ends.place(name))


def _with_attributes(
    spans: list[RawSpan], rows: Rows, ends: _Ends, path: Path, problems: Problems
) -> list[RawSpan]:
    unread: dict[str, int] = {}
    for line, (name, owner, value) in rows:
        at, said = ends.place(owner or ""), read_attribute(name or "", value or "")
        if said is None:
            unread.setdefault(name or "", line)
        elif at >= 0:
            spans[at] = replace(spans[at], flags=spans[at].flags | said)
    for name, line in unread.items():
        problems.skipped(path, line, f"attribute {shown(name)} says nothing of how something is asserted")
    return spans


def _with_codes(spans: list[RawSpan], rows: Rows, ends: _Ends) -> list[RawSpan]:
    for _, (owner, code) in rows:
        at = ends.place(owner or "")
        if at >= 0:
            spans[at] = replace(spans[at], codes=(*spans[at].codes, code or ""))
    return spans
