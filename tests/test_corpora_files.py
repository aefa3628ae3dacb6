"""Which files of a folder count, in which format and part; encodings; folders that mix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.corpora.files import find, lines_of, read_file
from models.corpora.own import read_own
from models.corpora.problems import DataError, Problems

JSON = '{"text": "x"}\n'
TOKENS = "Aspirin\tB-Drug\nand\tO\n"
ABSTRACT = "12|t|Title\n12|a|Text\n"


def write(folder: Path, *files: tuple[str, str]) -> Path:
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def found(folder: Path) -> list[tuple[str, str, str | None]]:
    problems = Problems()
    files = find(folder, problems)
    assert [str(problem) for problem in problems.found if problem.kind == "fatal"] == []
    return [(file.name, file.format, file.part) for file in files]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jsonl", "", "jsonl"), ("a.ndjson", "", "jsonl"),
        ("a.json", JSON, "jsonl"), ("a.txt", JSON, "jsonl"),
        ("a.csv", TOKENS, "table"), ("a.tsv", "text\tlabel\n", "table"), ("a.tsv", TOKENS, "conll"),
        ("a.txt", TOKENS, "conll"), ("a.txt", "# x y z w v\n\n-DOCSTART- -X- O O\n\n" + TOKENS, "conll"),
        ("a.conll", "", "conll"), ("a.BIO", "", "conll"), ("a.txt", ABSTRACT, "pubtator"),
        ("a", ABSTRACT, "pubtator"), ("a.PubTator", "", "pubtator"),
    ],
)  # fmt: skip
def test_a_format_is_found_by_suffix_and_by_a_look(
    tmp_path: Path, name: str, content: str, kind: str
) -> None:
    write(tmp_path, (name, content), ("README.md", "x"), (".hidden/a.csv", "x"), ("LICENSE", "Free."))
    assert found(tmp_path) == [(name, kind, None)]
    assert found(tmp_path / name) == [(name, kind, None)]


def test_a_brat_document_is_its_marks(tmp_path: Path) -> None:
    write(tmp_path, ("sub/a.b.txt", "x"), ("sub/a.b.ann", ""), ("annotation.conf", "[entities]"))
    assert found(tmp_path) == [("sub/a.b", "brat", None)]
    assert found(tmp_path / "sub/a.b.txt") == found(tmp_path / "sub/a.b.ann") == [("a.b", "brat", None)]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train/a.csv", "train"), ("Validation/a.csv", "dev"), ("test/x/a.csv", "test"),
        ("train.csv", "train"),
        ("ner_dev.csv", "dev"), ("corpus-test.v2.csv", "test"), ("devel.csv", "dev"), ("latest.csv", None),
        ("trained/a.csv", None), ("testify.csv", None),
    ],
)  # fmt: skip
def test_parts_are_named_by_folder_or_file(tmp_path: Path, name: str, part: str | None) -> None:
    assert found(write(tmp_path, (name, "")))[0][2] == part


def test_a_brat_document_s_own_name_is_no_part(tmp_path: Path) -> None:
    write(tmp_path, ("dev/test.txt", "x"), ("dev/test.ann", ""), ("test_7.txt", "x"), ("test_7.ann", ""))
    assert found(tmp_path) == [("dev/test", "brat", "dev"), ("test_7", "brat", None)]


def test_several_formats_in_one_folder_stop(tmp_path: Path) -> None:
    write(tmp_path, ("a.jsonl", JSON), ("b/c.csv", "text,label\n"), ("d.csv", "text,label\n"))
    with pytest.raises(DataError) as stop:
        read_own(tmp_path)
    assert str(stop.value) == (
        f"{tmp_path}: holds several formats: JSON lines (.jsonl), e.g. a.jsonl; a table with text and label "
        "(.csv, .tsv), e.g. b/c.csv; keep one in a folder"
    )


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("latin-1", "a.csv:2: is not UTF-8: byte 0xfc at place 13; save it as UTF-8; it looks like Latin-1"),
        ("utf-16", "a.csv: is not UTF-8 but looks like UTF-16; save it as UTF-8"),
        ("utf-16-le", "a.csv: is not UTF-8 but looks like UTF-16 without a mark"),
    ],
)  # fmt: skip
def test_other_encodings_are_named(tmp_path: Path, encoding: str, told: str) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\nGrüße,a\n".encode(encoding))
    (tmp_path / "b.csv").write_bytes(b"text,label\n")
    with pytest.raises(DataError) as stop:
        read_own(tmp_path)
    assert told in str(stop.value)


def test_an_encoding_that_hides_the_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(ABSTRACT.encode("utf-16"))
    with pytest.raises(DataError, match="looks like UTF-16; save it as UTF-8"):
        read_own(tmp_path)


def test_a_byte_order_mark_is_taken_off_and_line_ends_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\r\ntwo\x0b\n")
    decoded = read_file(tmp_path / "a", Problems())
    assert decoded == ("one\r\ntwo\x0b\n", True)
    assert lines_of("one\r\ntwo\x0b\x85\n") == ["one", "two\x0b\x85", ""]


@pytest.mark.parametrize(
    ("files", "name", "told"),
    [
        ([], "nothing", "nothing: is neither a file nor a folder"),
        ([("README.md", "x")], "", "holds nothing in a known format: brat"),
        ([("a.txt", "Some text.")], "a.txt", "holds nothing in a known format: brat"),
        ([("a.txt", " \n")], "a.txt", "a.txt: is empty"),
        ([("a.ann", "")], "", "a.txt: cannot be read (FileNotFoundError)"),
        ([], "x" * 5000, "cannot be listed (OSError)"),
        ([], "a\0b", "is neither a file nor a folder"),
    ],
)  # fmt: skip
def test_what_is_not_there_stops(tmp_path: Path, files: list[Any], name: str, told: str) -> None:
    write(tmp_path, *files)
    with pytest.raises(DataError) as stop:
        read_own(tmp_path / name)
    assert told in str(stop.value)
