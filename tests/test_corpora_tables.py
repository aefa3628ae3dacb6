"""CSV and TSV: columns by name or by look, several tasks and labels, rows that are wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.own import Own, read_own
from models.corpora.problems import DataError
from models.corpora.tables import Columns
from tests.own_data import as_csv, read_files, said

ROWS = [["text", "label"], *([f"Note number {n}, with a comma.", "ab"[n % 2]] for n in range(6))]
cells = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff\0"), min_size=1, max_size=20)


def table(rows: list[list[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def read(folder: Path, content: str, name: str = "a.csv", columns: Columns | None = None) -> Own:
    path = folder / name
    path.write_bytes(content.encode())
    return read_own(path, columns=columns)


@settings(max_examples=50, deadline=None)
@given(st.lists(cells.filter(str.strip), max_size=6, unique=True), st.sampled_from([",", ";", "\t"]))
def test_what_is_written_comes_back(texts: list[str], delimiter: str) -> None:
    rows = [*ROWS, *([text, "ab"[n % 2]] for n, text in enumerate(texts))]
    with TemporaryDirectory() as name:
        path = Path(name) / ("a.tsv" if delimiter == "\t" else "a.csv")
        as_csv(path, rows, delimiter)
        own = read_own(path)
    assert said(own) == []
    assert [[d.text, *d.classes["label"]] for d in own.documents] == rows[1:]


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(4)))
def test_columns_are_found_by_name_wherever_they_are(order: list[int]) -> None:
    rows = [["Text", "id", "label", "Ward"], *([f"Note {n}", f"n{n}", "ab"[n % 2], "x"] for n in range(6))]
    with TemporaryDirectory() as name:
        path = Path(name) / "a.csv"
        as_csv(path, [[row[at] for at in order] for row in rows])
        own = read_own(path)
    assert [(d.id, d.text, *d.classes["label"]) for d in own.documents] == [
        (r[1], r[0], r[2]) for r in rows[1:]
    ]


def test_several_tasks_and_labels(tmp_path: Path) -> None:
    rows = [
        "text,label:type,label:topic",
        *(f"Note {n},{'ab'[n % 2]},{'x| y|x' if n % 2 else 'x'}" for n in range(6)),
    ]
    own = read(tmp_path, "\n".join(rows))
    assert list(own.labels.classes) == ["topic", "type"]
    assert (own.labels.classes["topic"].several, own.labels.classes["type"].several) == (True, False)
    assert own.documents[1].classes == {"type": frozenset("b"), "topic": frozenset("xy")}


def test_columns_may_be_given(tmp_path: Path) -> None:
    rows = [["Befund", "Art", "Station"], *([f"Note {n}", "ab"[n % 2], "xyz"[n % 3]] for n in range(6))]
    own = read(tmp_path, table(rows), "a.tsv", Columns(text="befund", labels=("Station",)))
    assert own.labels.classes["Station"].labels == ("x", "y", "z")
    with pytest.raises(DataError, match=r"a\.tsv:1: has no column Stadt; name each column once"):
        read(tmp_path, table(rows), "a.tsv", Columns(text="Befund", labels=("Stadt",)))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("names", [[], [["Befundtext", "Art"]]])
def test_of_two_columns_without_names_the_one_with_more_different_cells_is_the_text(
    tmp_path: Path, turned: bool, names: list[list[str]]
) -> None:
    rows = [row[::-1] if turned else row for row in [*names, *ROWS[1:]]]
    own = read(tmp_path, table(rows), "a.tsv")
    assert [[d.text, *d.classes["label"]] for d in own.documents] == ROWS[1:]
    assert any("its first row is taken for names" in line for line in said(own)) is bool(names)


@pytest.mark.parametrize("names", ["", "text,remark\n"])
def test_labels_that_no_name_says_are_labels_are_not_shown_as_they_may_be_texts(
    tmp_path: Path, names: str
) -> None:
    rows = names + "".join(f"Note {n} is long enough,{'rash' if n else 'Rash'}\n" for n in range(6))
    own = read(tmp_path, rows + "The last one,mild rash\n")
    assert own.problems
    assert "rash" not in "".join(map(str, own.problems)).lower()


def test_a_second_column_with_any_name_is_the_label(tmp_path: Path) -> None:
    own = read(
        tmp_path,
        table([["id", "text", "Specialty"], *([f"{n}", *row] for n, row in enumerate(ROWS[1:]))]),
        "a.tsv",
    )
    assert own.labels.classes["Specialty"].labels == ("a", "b")


def test_an_empty_cell_says_nothing_of_its_task(tmp_path: Path) -> None:
    rows = [
        "text,label:type,label:topic",
        *(f"Note {n},{'ab'[n % 2]},{'xy'[n % 2]}" for n in range(6)),
        "Note,,x",
        "Last,,",
    ]
    own = read(tmp_path, "\r\n".join(rows))
    assert own.documents[6].classes == {"topic": frozenset("x")}
    assert said(own) == [f"{tmp_path}/a.csv:9: its label is empty; skipped"]


def test_lines_are_counted_through_quoted_line_ends_and_empty_rows(tmp_path: Path) -> None:
    rows = (
        'text,label\n"One\n\ntwo",a\n\n,,\n'
        + "".join(f"Note {n},{'ab'[n % 2]}\n" for n in range(6))
        + "Too,many,cells\n"
    )
    own = read(tmp_path, rows)
    assert own.documents[0].text == "One\n\ntwo"
    assert said(own) == [f"{tmp_path}/a.csv:13: has 3 columns, the first row 2; skipped"]


def test_a_tab_separated_file_need_not_quote(tmp_path: Path) -> None:
    own = read(tmp_path, table([*ROWS, ['"Pain" she said', "a"]]), "a.tsv")
    assert own.documents[-1].text == '"Pain" she said'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "note_text,kind,ward\na,b,c\n",
            "a.csv:1: has no column named text; name the columns in the first row",
        ),
        ("text\nx\n", "a.csv:1: has no column named label; name the columns"),
        ("text,ward,bed\nx,y,z\n", "a.csv:1: has no column named label; name the columns"),
        ("text,text,label\nx,y,z\n", "a.csv:1: has two columns text; name each column once"),
        ('text,label\n"a,b\nc,d\n', "a.csv:2: a quoted field that starts here does not end"),
        ("text,label\na,\nb,\nc,\n", "a.csv: no labels in it could be read"),
        ("", "a.csv: is empty"),
    ],
)
def test_what_cannot_be_used_stops(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(DataError) as stop:
        read(tmp_path, content)
    assert told in str(stop.value)


def test_a_cell_of_a_million_characters_is_read_and_the_limit_of_others_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    own = read(
        tmp_path,
        "text,label\n"
        + "word " * 199_999
        + "end,a\n"
        + "x" * 1_000_001
        + ",a\n"
        + table(ROWS[1:]).replace(",", "").replace("\t", ","),
    )
    assert len(own.documents[0].text) == 999_998
    assert f"{tmp_path}/a.csv:3: its text has 1,000,001 characters, 1,000,000 are the most; skipped" in said(
        own
    )
    assert csv.field_size_limit() == before


def test_tables_of_one_folder_are_its_parts(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"train.tsv": table(ROWS), "valid.tsv": table([*ROWS[:1], ["Another", "a"]])})
    assert (len(own.train), len(own.dev), len(own.test)) == (6, 1, 0)
