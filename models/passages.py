"""A note → passages: stretches of whole sentences inside one section, the unit of caching.

Cuts are chosen by content, at the grain of sentences (after Muthitacharoen et al., LBFS, SOSP 2001): after a
sentence whose checksum says so, at every blank line and section end. No count and no length decides, so an
edit cannot move the cuts of sentences that it left alone: one edited sentence changes two passages at most.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from models.sentences import blank_line, sentences
from models.types import Passage, Section, Span

CUT_ONE_IN = 6
"""A section of running text is cut after every sixth sentence on average."""


def split(text: str, sections: Sequence[Section]) -> list[Passage]:
    """Passages in order, trimmed of outer white space; each character that is none lies in exactly one."""
    return [
        Passage(span=span, text=text[span.start : span.end], section=section.id)
        for section in sections
        for span in _spans(text, section)
    ]


def _spans(text: str, section: Section) -> list[Span]:
    spans: list[Span] = []
    start: int | None = None
    found = sentences(text, section.span.start, section.span.end)
    for number, sentence in enumerate(found):
        start = sentence.start if start is None else start
        following = found[number + 1].start if number + 1 < len(found) else None
        if following is None or _cut(text, sentence, following, section):
            spans.append(Span(start, sentence.end))
            start = None
    return spans


def _cut(text: str, sentence: Span, following: int, section: Section) -> bool:
    """Whether a passage ends with this sentence; a heading always stays with what it heads."""
    if sentence.end <= section.body and section.title:
        return False
    return blank_line(text[sentence.end : following]) or chosen(text[sentence.start : sentence.end])


def chosen(sentence: str) -> bool:
    """Whether a sentence's own words end a passage; the same in every process and on every machine."""
    return zlib.crc32(sentence.encode("utf-8", "surrogatepass")) % CUT_ONE_IN == 0
