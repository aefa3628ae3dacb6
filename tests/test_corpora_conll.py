"""Tokens with tags: every scheme by one rule, the text rebuilt, broken lines named."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.own import read_own
from tests.own_data import FIVE, Text, as_conll, places, read_files, said, texts

FIVE_LINES = "Aspirin B-Drug\nand O\ngold B-Drug\n\niron B-Drug\n\nzinc B-Drug\n\nlead B-Drug\n"


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES"])
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["\t", " ", "  "]), st.lists(texts(between=(" ", "\n")), max_size=4))
def test_what_is_written_comes_back(scheme: str, separator: str, documents: list[Text]) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "tokens.txt"
        as_conll(path, [*documents, FIVE], scheme, separator)
        own = read_own(path)
    assert own.format == "conll"
    assert [(d.text, places(d)) for d in own.documents] == [(d.text, d.spans) for d in (*documents, FIVE)]


@settings(max_examples=60, deadline=None)
@given(texts(between=(" ",)), st.sampled_from(["IOB1", "IOB2", "BIOES"]), st.sampled_from(["\n", "\r\n"]))
def test_line_ends_do_not_matter(document: Text, scheme: str, end: str) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "tokens.iob"
        as_conll(path, [document, FIVE], scheme)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", end.encode()))
        own = read_own(path)
    assert (own.documents[0].text, places(own.documents[0])) == (document.text, document.spans)


def test_without_document_marks_every_sentence_is_a_document(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"a.conll": FIVE_LINES})
    assert [d.text for d in own.documents] == ["Aspirin and gold", "iron", "zinc", "lead"]
    assert [d.id for d in own.documents] == ["a.conll:1", "a.conll:5", "a.conll:7", "a.conll:9"]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("I-A I-A O I-B", ["0-3A", "6-7B"]),
        ("I-A B-A I-B", ["0-1A", "2-3A", "4-5B"]),
        ("B-A E-A I-A", ["0-3A", "4-5A"]),
        ("S-A S-A", ["0-1A", "2-3A"]),
        ("B-A M-A L-A U-A", ["0-5A", "6-7A"]),
        ("O E-A O", ["2-3A"]),
        ("B-A I-B E-A", ["0-1A", "2-3B", "4-5A"]),
        ("B-A-b I-A-b", ["0-3A-b"]),
    ],
)
def test_where_spans_start_and_end(tmp_path: Path, tags: str, spans: list[str]) -> None:
    lines = "".join(f"{'abcd'[at]} {tag}\n" for at, tag in enumerate(tags.split()))
    own = read_files(tmp_path, {"x.conll": lines + "\n" + FIVE_LINES})
    assert [f"{start}-{end}{label}" for start, end, label in places(own.documents[0])] == spans


def test_the_first_and_the_last_of_up_to_four_columns_count(tmp_path: Path) -> None:
    own = read_files(
        tmp_path, {"x.conll": "# id = 1\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n# O\n\n" + FIVE_LINES}
    )
    assert own.documents[0].text == "EU rejects #"
    assert places(own.documents[0]) == ((0, 2, "ORG"),)


@pytest.mark.parametrize(
    "line", ["Aspirin", "Aspirin Drug", "a b c d B-Drug", "\tB-Drug", "Aspirin B-", "Aspirin X-Drug"]
)
def test_a_sentence_with_a_line_that_is_no_token_and_tag_is_left_out(tmp_path: Path, line: str) -> None:
    own = read_files(tmp_path, {"x.conll": f"{FIVE_LINES}\nthe O\n{line}\nday O\n\n"})
    assert len(own.documents) == 4
    (problem,) = said(own)
    assert "x.conll:12: no token with an IOB or BIOES tag in its last column" in problem
    assert problem.endswith("; skipped")
