"""PubTator format, whatever its labels: abstracts with spans, and relations between codes.

Format: Wei et al. 2013, "PubTator: a web-based text mining tool for assisting biocuration". Blocks are set
apart by empty lines: id|t|title, id|a|abstract, id start end words label codes, id relation code code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from models.corpora.files import lines_of, read_file
from models.corpora.problems import Problems
from models.corpora.raw import RawDocument, RawSpan

_NUMBER = re.compile(r"[0-9]{1,9}")
_TEXT = re.compile(r"([^|\t]+)\|([ta])\|(.*)")

Numbered = tuple[int, str]


def read(path: Path, problems: Problems) -> Iterator[RawDocument]:
    """Offsets count into title, space, abstract; codes of one mention are joined by "+", "|", ";" or ","."""
    decoded = read_file(path, problems)
    for block in _blocks(lines_of(decoded.text) if decoded else []):
        document = _document(path, block, problems)
        if document is not None:
            yield document


def _blocks(lines: list[str]) -> Iterator[list[Numbered]]:
    block: list[Numbered] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []


def _document(path: Path, block: list[Numbered], problems: Problems) -> RawDocument | None:
    first = block[0][0]
    texts = [found for _, line in block[:2] if (found := _TEXT.fullmatch(line))]
    if [found[2] for found in texts] not in (["t", "a"], ["t"]) or len({found[1] for found in texts}) > 1:
        problems.lose(path, first, "a block starts with id|t|title and id|a|abstract, and this does not")
        return None
    identity = texts[0][1]
    spans: list[RawSpan] = []
    pairs: set[tuple[str, str, str]] = set()
    for number, line in block[len(texts) :]:
        fields = line.split("\t")
        if fields[0] != identity:
            problems.warn(path, number, "its id is not that of the block", "read as of the block")
        if len(fields) >= 5 and all(map(_NUMBER.fullmatch, fields[1:3])):
            spans.append(_span(number, fields))
        elif len(fields) >= 4 and not _NUMBER.fullmatch(fields[1]):
            pairs.add((fields[1].strip(), fields[2].strip(), fields[3].strip()))
        else:
            problems.skipped(path, number, "neither start, end, words, label nor relation, code, code")
    text = " ".join(found[3] for found in texts)
    return RawDocument(path, first, text, identity, tuple(spans), pairs=frozenset(pairs))


def _span(number: int, fields: list[str]) -> RawSpan:
    codes = re.split(r"[|+;,]", fields[5]) if len(fields) > 5 else []
    known = tuple(code.strip() for code in codes if code.strip() not in ("", "-", "-1"))
    return RawSpan(number, int(fields[1]), int(fields[2]), fields[4].strip(), fields[3], known)
