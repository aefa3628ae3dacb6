"""Raw texts of files: what is read of each kind, and how what is no text is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import CheckpointError
from models.training.raw_texts import read_raw


def test_the_texts_of_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("First note.\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "Second"}\n\n{"id": 1}\nnot json\n{"text": "Second"}\n')
    (tmp_path / "sub" / "c.csv").write_text('id;Note\n1;"Third; with\nlines"\n2;\n', encoding="utf-8")
    (tmp_path / "sub" / "d.tsv").write_text("text\tlabel\nFourth\tx\n")
    (tmp_path / "README.md").write_text("not read")
    (tmp_path / ".hidden.txt").write_text("not read")
    found = read_raw([tmp_path])
    assert found.texts == ("First note.\n", "Second", "Third; with\nlines", "Fourth")
    assert found.repeated == 1
    assert found.characters == sum(map(len, found.texts))
    assert [f"{p.path.name}:{p.line}: {p.what}" for p in found.problems] == [
        'b.jsonl:3: is no JSON object with a "text"',
        "b.jsonl:4: is not valid JSON",
        "c.csv:4: has no text",
    ]
    assert "First" not in repr(found)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"\xff\xfea\0", "is not UTF-8 but looks like UTF-16"),
        ("a.txt", b"  \n", "holds no text"),
        ("a.csv", b"id,words\n1,x\n", "has no column named text"),
        ("a.csv", b'text\n"never ends\n', "a quoted field that starts here does not end"),
        ("a.pdf", b"x", "has an unknown ending"),
        ("", b"", "is neither a file nor a folder"),
    ],
)
def test_what_is_no_text_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / (name or "missing")
    if name:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=told):
        read_raw([path])
