"""JSON lines: a text a line with spans, relations and labels; also as doccano and prodigy export them.

The shapes of `streamer accept --sample` and of our own annotation records are among those read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from models.corpora.asserted import read_value
from models.corpora.files import lines_of, read_file
from models.corpora.problems import Problems
from models.corpora.raw import RawDocument, RawRelation, RawSpan

SPANS = ("spans", "entities")
CLASSES = ("labels", "label")
TASK = "label"
"""The task of labels that are given without one."""

Row = tuple[int, dict[str, Any]]


class _At(NamedTuple):
    """Where a problem is, and who is told."""

    path: Path
    line: int
    problems: Problems

    def skipped(self, what: str) -> None:
        self.problems.skipped(self.path, self.line, what)


def read(path: Path, problems: Problems) -> Iterator[RawDocument]:
    """`{"text"}` with any of "id", "spans", "relations", "labels"; fields of other names are not read.

    What a line does not have is not said of its text: without "spans" it may hold any entity, with
    `"spans": []` none.
    """
    decoded = read_file(path, problems)
    rows = list(_rows(path, decoded.text if decoded else "", problems))
    triples = any(_is_triples(row.get(name)) for _, row in rows for name in CLASSES)
    for line, row in rows:
        at = _At(path, line, problems)
        listed = next((row[name] for name in SPANS if row.get(name) is not None), None)
        labels = next((row[name] for name in CLASSES if row.get(name) is not None), None)
        if triples and isinstance(labels, list) and listed is None:
            listed, labels = labels, None
        spans = _spans(listed, at)
        yield RawDocument(
            path,
            line,
            row["text"],
            _name(row.get("id")),
            None if listed is None else tuple(spans.kept),
            _relations(row.get("relations"), spans, at),
            classes=_classes(labels, at),
        )


def json_lines(path: Path, text: str, problems: Problems) -> Iterator[tuple[int, Any]]:
    """Numbers and values of the lines that are valid JSON; empty ones are passed over."""
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            problems.lose(path, number, "is not valid JSON")
            continue
        yield number, row


def _rows(path: Path, text: str, problems: Problems) -> Iterator[Row]:
    if text.lstrip().startswith("["):
        do = "write one object a line, e.g. with `jq -c '.[]'`"
        problems.fatal(path, 1, "is one JSON array and not JSON lines", do)
        return
    for number, row in json_lines(path, text, problems):
        if not isinstance(row, dict):
            problems.lose(path, number, "is not a JSON object")
        elif not isinstance(row.get("text"), str):
            problems.lose(path, number, 'has no "text" that is a string')
        else:
            yield number, row


def _name(value: Any) -> str:
    """A string or a whole number as a name; "" for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int) else ""


def _is_triples(value: Any) -> bool:
    """doccano's [[start, end, label], …]."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, list) for item in value)


# --- spans and relations -------------------------------------------------------------------------


class _Spans(NamedTuple):
    """What could be read, and where in it a span is: by its place in the list, and by its own id."""

    kept: list[RawSpan]
    places: dict[int, int]
    ids: dict[str, int]

    def end(self, relation: Mapping[str, Any], name: str, own: str) -> int:
        """The place of one end of a relation, −1 for none; an id where it is a string, or called one."""
        end = relation.get(name)
        if isinstance(end, int):
            return self.places.get(end, -1)
        return self.ids.get(_name(relation.get(own, end)), -1)


def _spans(listed: Any, at: _At) -> _Spans:
    spans = _Spans([], {}, {})
    if listed is not None and not isinstance(listed, list):
        at.skipped("its spans are not a list")
    for number, item in enumerate(listed if isinstance(listed, list) else ()):
        span = _span(item, number, at)
        if span is not None:
            spans.places[number] = len(spans.kept)
            if isinstance(item, dict) and _name(item.get("id")):
                spans.ids[_name(item["id"])] = len(spans.kept)
            spans.kept.append(span)
    return spans


def _span(item: Any, number: int, at: _At) -> RawSpan | None:
    """None for what is none, which is named."""
    if isinstance(item, list) and len(item) == 3:
        item = dict(zip(("start", "end", "label"), item, strict=True))
    if isinstance(item, dict):
        place = item["span"] if isinstance(item.get("span"), dict) else item
        start, end = _first(place, "start", "start_offset"), _first(place, "end", "end_offset")
        label, words = _first(item, "label", "category", "type"), item.get("text")
        if _is_place(start) and _is_place(end) and isinstance(label, str):
            said = words if isinstance(words, str) else None
            values = _values(item.get("assertion"), number, at)
            return RawSpan(at.line, start, end, label.strip(), said, values=values)
    at.skipped(f'span {number + 1} is not {{"start", "end", "label"}} with two whole numbers and a string')
    return None


def _values(assertion: Any, number: int, at: _At) -> frozenset[str]:
    """Of {"certainty": "negative", …}; what is no axis with one of its values is named."""
    values: frozenset[str] = frozenset()
    if assertion is None:
        return values
    for axis, value in assertion.items() if isinstance(assertion, dict) else [("", "")]:
        said = read_value(axis, value) if isinstance(value, str) else None
        if said is None:
            at.skipped(f"span {number + 1} has an assertion that is no axis with one of its values")
        else:
            values |= said
    return values


def _relations(listed: Any, spans: _Spans, at: _At) -> tuple[RawRelation, ...] | None:
    if listed is None:
        return None
    if not isinstance(listed, list):
        at.skipped("its relations are not a list")
        return ()
    relations = []
    for number, item in enumerate(listed, start=1):
        label = _first(item, "label", "category", "type") if isinstance(item, dict) else None
        if isinstance(label, str):
            source, target = spans.end(item, "source", "from_id"), spans.end(item, "target", "to_id")
            relations.append(RawRelation(at.line, label.strip(), source, target))
        else:
            at.skipped(f'relation {number} is not {{"source", "target", "label"}}')
    return tuple(relations)


def _first(item: Mapping[str, Any], *names: str) -> Any:
    return next((item[name] for name in names if name in item), None)


def _is_place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1_000_000_000


# --- labels of the whole text --------------------------------------------------------------------


def _classes(labels: Any, at: _At) -> dict[str, tuple[str, ...]]:
    """By task: a label, a list of labels, or either by the name of its task. None says nothing."""
    by_task = labels if isinstance(labels, dict) else {TASK: labels}
    classes = {}
    for task, given in by_task.items():
        if given is None:
            continue
        listed = given if isinstance(given, list) else [given]
        names = tuple(dict.fromkeys(map(_name, listed)))
        if task.strip() and all(names):
            classes[task.strip()] = names
        else:
            at.skipped("its labels are neither a string, nor a list of strings, nor these by task")
    return classes
