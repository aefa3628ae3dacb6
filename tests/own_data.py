"""Labelled texts as users might have them, drawn by hypothesis, and a writer for each format they bring."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from models.corpora.own import Own, read_own
from models.corpora.scheme import Document

Place = tuple[int, int, str]
LABELS = ("Drug", "Adverse-event", "Größe")
ENOUGH = "one two three four five"
"""A text with five spans, without which nothing is learned."""


@dataclass(frozen=True)
class Text:
    """A text and the spans in it."""

    text: str
    spans: tuple[Place, ...]


FIVE = Text(
    ENOUGH, tuple((ENOUGH.index(word), ENOUGH.index(word) + len(word), "Drug") for word in ENOUGH.split())
)

words = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\ufeff"),
    min_size=1,
    max_size=5,
)


def texts(between: Sequence[str] = (" ", "  ", "\n", "\r\n", "\t", "\u2028")) -> st.SearchStrategy[Text]:
    """Words, some runs of which are labelled; apart by blanks of which the last may be a line end."""
    runs = st.tuples(st.lists(words, min_size=1, max_size=3), st.sampled_from((None, *LABELS)))
    pieces = st.lists(st.tuples(runs, st.sampled_from(between)), min_size=1, max_size=6)
    return pieces.map(_joined)


def _joined(pieces: Sequence[tuple[tuple[list[str], str | None], str]]) -> Text:
    text, spans = "", list[Place]()
    for number, ((run, label), gap) in enumerate(pieces):
        text += gap if number else ""
        start, text = len(text), text + " ".join(run)
        if label is not None:
            spans.append((start, len(text), label))
    return Text(text, tuple(spans))


def as_brat(folder: Path, documents: Sequence[Text], offset: Callable[[str, int], int] | None = None) -> None:
    """`offset`: how a program counts the characters before a place."""
    for number, document in enumerate(documents):
        lines = []
        for at, (start, end, label) in enumerate(document.spans):
            said = document.text[start:end].replace("\r\n", " ").replace("\n", " ")
            first, last = (offset(document.text, place) if offset else place for place in (start, end))
            lines.append(f"T{at}\t{label} {first} {last}\t{said}\n")
        (folder / f"{number}.txt").write_bytes(document.text.encode())
        (folder / f"{number}.ann").write_bytes("".join(lines).encode())


def as_jsonl(path: Path, documents: Sequence[Text]) -> None:
    rows = [
        {
            "id": f"n{number}",
            "text": document.text,
            "spans": [{"start": start, "end": end, "label": label} for start, end, label in document.spans],
        }
        for number, document in enumerate(documents)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def as_pubtator(path: Path, documents: Sequence[tuple[str, Text]]) -> None:
    """Titles beside texts, which have no line ends."""
    blocks = []
    for number, (title, document) in enumerate(documents):
        shift = len(title) + 1
        lines = [f"{number}|t|{title}", f"{number}|a|{document.text}"]
        for start, end, label in document.spans:
            said = document.text[start:end]
            lines.append(f"{number}\t{start + shift}\t{end + shift}\t{said}\t{label}\tC{start}|C{end}")
        blocks.append("\n".join(lines))
    path.write_bytes("\n\n".join(blocks).encode())


def as_conll(path: Path, documents: Sequence[Text], scheme: str, separator: str = "\t") -> None:
    """Each text after a -DOCSTART-; spans cover whole words, which are apart by a space or a line end."""
    lines = []
    for document in documents:
        lines.append(f"-DOCSTART-{separator}O\n\n")
        at = 0
        for sentence in document.text.split("\n"):
            tags = tagged(sentence, at, document.spans, scheme)
            lines += [
                f"{word}{separator}{tag}\n" for word, tag in zip(sentence.split(" "), tags, strict=True)
            ]
            lines.append("\n")
            at += len(sentence) + 1
    path.write_bytes("".join(lines).encode())


def tagged(sentence: str, at: int, spans: Sequence[Place], scheme: str) -> list[str]:
    tags = []
    ended = ""
    for word in sentence.split(" "):
        span = next((s for s in spans if s[0] <= at < s[1]), None)
        tag = "O"
        if span is not None:
            first, last = span[0] == at, span[1] == at + len(word)
            begins = first and (scheme != "IOB1" or ended == span[2])
            tag = ("S-" if first and last else "B-" if first else "E-" if last else "I-") + span[2]
            if scheme != "BIOES":
                tag = ("B-" if begins else "I-") + span[2]
        ended = span[2] if span is not None else ""
        at += len(word) + 1
        tags.append(tag)
    return tags


def as_csv(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> None:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    path.write_bytes(file.getvalue().encode())


def places(document: Document) -> tuple[Place, ...]:
    return tuple((span.start, span.end, "/".join(span.allowed)) for span in document.spans)


def said(own: Own) -> list[str]:
    """What is wrong, but that there are few examples: these are few throughout."""
    return [str(problem) for problem in own.problems if "examples it needs" not in problem.what]


def read_files(folder: Path, files: dict[str, str | bytes]) -> Own:
    """Write the files below the folder, and read it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_own(folder)
