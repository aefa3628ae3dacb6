"""Where a span lies that its file counts otherwise, or has put a little beside its place.

Programs count code points, UTF-16 units or bytes, a CRLF as one or two, a byte order mark or not. Where a
file repeats the words of its spans, they tell which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.corpora.problems import Problems
from models.corpora.raw import RawDocument, RawSpan

Boundaries = NDArray[np.int64]
"""[characters + 1]: what a program counts up to each character, and to the end."""


def placed(document: RawDocument, problems: Problems) -> list[RawSpan | None]:
    """The document's spans in code points; None for each that is nowhere, which is named.

    A span whose words stand elsewhere, once, is moved there. Spans without words stay as they are.
    """
    spans = list(document.spans or ())
    quoted = [span for span in spans if span.text is not None]
    if all(_fits(document.text, span) for span in quoted):
        return list(spans)
    way, boundaries = _best(document, quoted)
    if way:
        problems.warn(document.path, document.line, f"its spans count {way}", "read so")
        spans = [_counted(span, boundaries) for span in spans]
    moved: dict[str, int] = {}
    return [_moved(document, span, moved, problems) for span in spans]


def _best(document: RawDocument, spans: Sequence[RawSpan]) -> tuple[str, Boundaries]:
    """How most spans fit, and its name: "" for code points, which go before others that fit as well."""
    best, boundaries = "", np.arange(len(document.text) + 1)
    most = sum(_fits(document.text, span) for span in spans)
    for way, other in _ways(document):
        fitting = sum(_fits(document.text, _counted(span, other)) for span in spans)
        if fitting > most:
            best, boundaries, most = way, other, fitting
    return best, boundaries


def _ways(document: RawDocument) -> Iterator[tuple[str, Boundaries]]:
    points = np.frombuffer(document.text.encode("utf-32-le"), np.uint32)
    ones = np.ones(len(points), np.int64)
    before_feed = np.zeros(len(points), np.bool_)
    before_feed[:-1] = (points[:-1] == 0x0D) & (points[1:] == 0x0A)
    widths = {
        "code points": ones,
        "CRLF as one character": ones - before_feed,
        "UTF-16 units": ones + (points > 0xFFFF),
        "UTF-8 bytes": ones + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF),
    }
    for way, width in widths.items():
        yield way, np.concatenate([[0], width.cumsum()])
    if document.bom:
        for way, width in widths.items():
            mark = 3 if way == "UTF-8 bytes" else 1
            yield f"{way} and the byte order mark", np.concatenate([[0], width.cumsum()]) + mark


def _counted(span: RawSpan, boundaries: Boundaries) -> RawSpan:
    """In code points; −1 for a place that no character starts at."""
    start, end = (_point(place, boundaries) for place in (span.start, span.end))
    return replace(span, start=start, end=end)


def _point(place: int, boundaries: Boundaries) -> int:
    # of equal boundaries (a CR that does not count) the last: a span starts and ends after it
    at = int(np.searchsorted(boundaries, place, side="right")) - 1
    return at if at >= 0 and boundaries[at] == place else -1


def _moved(document: RawDocument, span: RawSpan, known: dict[str, int], problems: Problems) -> RawSpan | None:
    if span.text is None or _fits(document.text, span):
        return span
    if span.text not in known:
        known[span.text] = _only(document.text, span.text)
    at = known[span.text]
    if at < 0:
        why = "nowhere in the text" if at == -1 else "in several places"
        what = f"{span}: other words stand there, those that the file gives stand {why}"
        problems.skipped(document.path, span.line, what)
        return None
    moved = replace(span, start=at, end=at + len(span.text))
    what = f"{span}: other words stand there, those that the file gives stand once in the text"
    problems.warn(document.path, span.line, what, f"moved to {moved.start}–{moved.end}")
    return moved


def _only(text: str, words: str) -> int:
    """Where the words stand, if once; −1 for nowhere, −2 for several places."""
    at = text.find(words) if words.strip() else -1
    return -2 if at >= 0 and text.find(words, at + 1) >= 0 else at


def _fits(text: str, span: RawSpan) -> bool:
    """Whether the words stand there, blanks and line ends aside: brat writes a space for each of them."""
    if not 0 <= span.start < span.end <= len(text):
        return False
    there, said = text[span.start : span.end], span.text or ""
    return there == said or there.split() == said.split()
