"""JSON lines: spans, relations and labels in the shapes that tools write; broken lines are named."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.own import Own, read_own
from models.corpora.problems import DataError
from tests.own_data import FIVE, Text, as_jsonl, places, read_files, said, texts

TEXT = "Aspirin 81 mg, no rash, fever or pain."
SPANS = [(0, 7, "Drug"), (8, 13, "Dose"), (18, 22, "Finding"), (24, 29, "Finding"), (33, 37, "Finding")]
NO_SPAN = 'span 1 is not {"start", "end", "label"}'
GOOD: dict[str, Any] = {"text": TEXT, "spans": [{"start": s, "end": e, "label": n} for s, e, n in SPANS]}


def read(folder: Path, *rows: Any) -> Own:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return read_files(folder, {"a.jsonl": "\n".join(lines)})


@settings(max_examples=50, deadline=None)
@given(st.lists(texts(), max_size=4))
def test_what_is_written_comes_back(documents: list[Text]) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "notes.jsonl"
        as_jsonl(path, [*documents, FIVE])
        own = read_own(path)
    assert [(d.text, places(d)) for d in own.documents] == [(d.text, d.spans) for d in (*documents, FIVE)]
    assert [d.id for d in own.documents] == [f"n{number}" for number in range(len(documents) + 1)]


@pytest.mark.parametrize(
    "shape",
    [
        {"entities": [{"start": s, "end": e, "category": n} for s, e, n in SPANS]},
        {"label": [[s, e, n] for s, e, n in SPANS]},
        {"labels": [[s, e, n] for s, e, n in SPANS]},
        {"entities": [{"id": 9, "start_offset": s, "end_offset": e, "label": n} for s, e, n in SPANS]},
        {
            "entities": [
                {"span": {"start": s, "end": e}, "category": n, "text": TEXT[s:e]} for s, e, n in SPANS
            ]
        },
        {"spans": [{"start": s, "end": e, "type": n} for s, e, n in SPANS]},
    ],
    ids=["accept", "doccano", "doccano labels", "doccano relations", "annotation record", "type"],
)
def test_spans_are_read_as_tools_write_them(tmp_path: Path, shape: dict[str, Any]) -> None:
    own = read(tmp_path, {"id": 7, "text": TEXT, **shape})
    assert places(own.documents[0]) == tuple(SPANS)
    assert own.documents[0].id == "7"


def test_doccano_s_empty_list_means_no_spans_where_others_have_some(tmp_path: Path) -> None:
    own = read(
        tmp_path, {"text": TEXT, "label": [list(span) for span in SPANS]}, {"text": "Nothing.", "label": []}
    )
    assert [len(d.spans) for d in own.documents] == [5, 0]
    assert own.documents[1].covered == {"Drug", "Dose", "Finding"}
    assert own.labels.classes == {}


def test_what_a_line_does_not_have_is_not_said(tmp_path: Path) -> None:
    own = read(tmp_path, GOOD, {"text": "Nothing.", "spans": []}, {"text": "Who knows?", "labels": "x"})
    assert [len(d.covered) for d in own.documents] == [3, 3, 0]


def test_relations_are_by_place_or_by_id(tmp_path: Path) -> None:
    by_place = [{"source": n, "target": 0, "label": "with"} for n in (2, 3, 4)]
    named = [{**span, "id": f"e{n}"} for n, span in enumerate(GOOD["spans"])]
    by_id = [
        {"source": "e1", "target": "e0", "category": "dose_of"},
        {"from_id": "e2", "to_id": "e0", "type": "with"},
    ]
    own = read(
        tmp_path,
        {**GOOD, "relations": by_place},
        {**GOOD, "text": TEXT + " ", "spans": named, "relations": by_id},
    )
    first, second = own.documents
    assert [(r.category, r.source, r.target) for r in first.relations] == [
        ("with", (18, 22), (0, 7)), ("with", (24, 29), (0, 7)), ("with", (33, 37), (0, 7)),
    ]  # fmt: skip
    assert [(r.category, r.source) for r in second.relations] == [("dose_of", (8, 13)), ("with", (18, 22))]
    assert own.labels.relations["with"] == (frozenset({"Finding"}), frozenset({"Drug"}))
    assert second.related == {"with", "dose_of"}


def test_a_relation_follows_its_span_when_others_are_left_out(tmp_path: Path) -> None:
    spans = [{"start": 99, "end": 100, "label": "Drug"}, {"start": 1}, *GOOD["spans"]]
    relations = [{"source": n, "target": 2, "label": "with"} for n in (0, 1, 3, 4, 5, 6)]
    own = read(
        tmp_path,
        {"text": TEXT, "spans": spans, "relations": relations * 2},
        {**GOOD, "text": "x" * 40, "relations": [{"source": 1, "target": 0, "label": "with"}]},
    )
    assert [r.source for r in own.documents[0].relations] == [(8, 13), (18, 22), (24, 29), (33, 37)]
    assert sum("with: its source is no span that is kept" in line for line in said(own)) == 4


def test_assertion_is_read_by_axis(tmp_path: Path) -> None:
    spans = [dict(span) for span in GOOD["spans"]]
    spans[2]["assertion"] = {"certainty": "negative", "temporality": "current"}
    spans[3]["assertion"] = {"certainty": "positive"}
    spans[4]["assertion"] = {"certainty": "current"}
    own = read(tmp_path, {"text": TEXT, "spans": spans})
    assert own.labels.assertion == {"certainty": ("positive", "negative")}
    assert [set(span.axes[0]) for span in own.documents[0].spans][2:4] == [{"negative"}, {"positive"}]
    assert len(own.documents[0].spans[2].axes[3]) == 3  # no other value of it: nothing to tell apart
    assert any(
        "span 5 has an assertion that is no axis with one of its values; skipped" in line
        for line in said(own)
    )


@pytest.mark.parametrize(
    ("labels", "task", "several"),
    [
        (["a", "b"] * 3, {"a", "b"}, False),
        ([["a"], ["b"], ["a"], ["b"], ["a"]], {"a", "b"}, False),
        ([["a"], ["a", "b"], [], ["b"], ["a"]], {"a", "b"}, True),
        ([0, 1, 1, 1, 1], {"0", "1"}, False),
        ([True, False, True, False, None, True], {"true", "false"}, False),
    ],
)
def test_labels_of_the_whole_text(tmp_path: Path, labels: list[Any], task: set[str], several: bool) -> None:
    own = read(tmp_path, *({"text": f"Text {n}.", "labels": label} for n, label in enumerate(labels)))
    assert set(own.labels.classes["label"].labels) == task
    assert own.labels.classes["label"].several is several
    assert [d.classes.get("label") is None for d in own.documents] == [label is None for label in labels]


def test_labels_by_task(tmp_path: Path) -> None:
    rows = [
        {"text": f"Text {n}.", "labels": {"type": "ab"[n % 2], "tone": ["x", "y"][: n % 3]}} for n in range(6)
    ]
    own = read(tmp_path, *rows)
    assert own.labels.classes["type"].several is False
    assert own.labels.classes["tone"].several is True
    assert own.documents[2].classes == {"type": frozenset("a"), "tone": frozenset("xy")}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"text": "\\ud800"}', "is not valid JSON"),
        ("7", "is not a JSON object"),
        ({"note": "x"}, 'has no "text" that is a string'),
        ({"text": 7}, 'has no "text" that is a string'),
        ({"text": " \n"}, "has no text"),
        ({**GOOD, "spans": 7}, "its spans are not a list"),
        ({**GOOD, "spans": [{"start": 0.5, "end": 1, "label": "x"}]}, NO_SPAN),
        ({**GOOD, "spans": [{"start": 10**30, "end": 1, "label": "x"}]}, NO_SPAN),
        ({**GOOD, "spans": [{"start": True, "end": 1, "label": "x"}]}, NO_SPAN),
        ({**GOOD, "spans": ["x"]}, NO_SPAN),
        ({**GOOD, "spans": [{"start": 0, "end": 1, "label": " "}]}, "the span 0–1 has no label"),
        ({**GOOD, "relations": 7}, "its relations are not a list"),
        ({**GOOD, "relations": [7]}, 'relation 1 is not {"source", "target", "label"}'),
        ({**GOOD, "labels": {"a": 0.5}}, "its labels are neither a string, nor a list of strings"),
        ({**GOOD, "labels": ""}, "its labels are neither a string, nor a list of strings"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, row: Any, told: str) -> None:
    own = read(tmp_path, GOOD, "", row)
    assert any(f"a.jsonl:3: {told}" in line for line in said(own)), said(own)


def test_an_array_is_not_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([GOOD]), encoding="utf-8")
    with pytest.raises(DataError, match="one JSON array and not JSON lines; write one object a line"):
        read_own(path)
