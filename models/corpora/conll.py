"""A token a line with its tag: CoNLL 2003 and its kin, tagged IOB1, IOB2, BIOES or BILOU.

Schemes: Ramshaw and Marcus 1995, "Text chunking using transformation-based learning" (IOB1); Ratinov and Roth
2009, "Design challenges and misconceptions in named entity recognition" (BILOU). All are read by one rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.corpora.files import columns_of, is_tagged, lines_of, read_file
from models.corpora.problems import Problems
from models.corpora.raw import RawDocument, RawSpan

DOCUMENT = "-DOCSTART-"

Token = tuple[int, str, str]
"""Line, token, tag."""


def read(path: Path, problems: Problems) -> Iterator[RawDocument]:
    """A document from each -DOCSTART- to the next; without any, a document per sentence.

    The text is rebuilt: a space between tokens, a line end between sentences. A sentence with a line that is
    no token and tag is left out.
    """
    decoded = read_file(path, problems)
    lines = lines_of(decoded.text) if decoded else []
    whole = any(line.startswith(DOCUMENT) for line in lines)
    document: list[list[Token]] = []
    for sentence in _sentences(path, lines, problems):
        if document and (not sentence or not whole):
            yield _document(path, document)
            document = []
        if sentence:
            document.append(sentence)
    if document:
        yield _document(path, document)


def _sentences(path: Path, lines: list[str], problems: Problems) -> Iterator[list[Token]]:
    """Sentences; an empty one where a document starts."""
    sentence: list[Token] = []
    wrong = 0
    for number, line in enumerate([*lines, ""], start=1):
        starts = line.startswith(DOCUMENT)
        if line.strip() and not starts:
            token = _token(number, line)
            if token:
                sentence.append(token)
            elif not line.startswith("#"):
                wrong = wrong or number
            continue
        if wrong:
            problems.lose(
                path, wrong, "no token with an IOB or BIOES tag in its last column (2 to 4 columns)"
            )
        elif sentence:
            yield sentence
        sentence, wrong = [], 0
        if starts:
            yield []


def _token(number: int, line: str) -> Token | None:
    columns = columns_of(line.rstrip(" \t"))
    if not is_tagged("\t".join(columns)) or not columns[0].strip():
        return None
    return number, columns[0], columns[-1]


def _document(path: Path, sentences: list[list[Token]]) -> RawDocument:
    texts: list[str] = []
    spans: list[RawSpan] = []
    at = 0
    for sentence in sentences:
        spans += _spans(sentence, at)
        texts.append(" ".join(token for _, token, _ in sentence))
        at += len(texts[-1]) + 1
    return RawDocument(path, sentences[0][0][0], "\n".join(texts), spans=tuple(spans))


def _spans(sentence: list[Token], at: int) -> Iterator[RawSpan]:
    """By one rule for every scheme: a span starts at B, S or U, and where a tag does not go on with the last.

    In IOB1 that is an I after O or another label; I, E, L and M go on with the same label unless it ended.
    """
    open_span: RawSpan | None = None
    for line, token, tag in sentence:
        prefix, _, label = tag.partition("-")
        goes_on = open_span is not None and prefix in "IELM" and open_span.label == label
        if open_span is not None and not goes_on:
            yield open_span
            open_span = None
        if prefix != "O":
            first = open_span or RawSpan(line, at, at, label)
            open_span = RawSpan(first.line, first.start, at + len(token), label)
            if prefix in "ESLU":
                yield open_span
                open_span = None
        at += len(token) + 1
    if open_span is not None:
        yield open_span
