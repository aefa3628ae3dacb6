"""Where a note's sections begin, and what they are: by rule, in time linear in the text.

A heading is a known title (`sections.tsv`) or words in capitals with a colon, at the start of a line. Where
line breaks were lost, as in MTSamples, a comma without a space stands for one: "HPI:, text.,PLAN: , text".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

from models.sentences import LINE_BREAKS
from models.types import Section, Span

UNKNOWN = "unknown"
CATEGORIES: tuple[str, ...] = (
    "chief_complaint",
    "history_of_present_illness",
    "family_and_social_history",
    "past_medical_history",
    "past_surgical_history",
    "medications",
    "allergy",
    "review_of_systems",
    "exam",
    "labs",
    "imaging",
    "assessment",
    "diagnosis",
    "disposition",
    "plan",
    "emergency_department_course",
    "immunizations",
    "gynecologic_history",
    "procedures",
    "other_history",
    UNKNOWN,
)

_LONGEST_TITLE = 72
_LINE = re.compile(f"[^{LINE_BREAKS}]+")
_INLINE = re.compile(rf"[.,;]([ \t]{{0,3}})([A-Z][A-Za-z0-9 /&()'’-]{{0,{_LONGEST_TITLE - 1}}}):")
_OPENING = re.compile(r"(?:#{1,6} |\*\*|__)?(?:\d{1,2}[.)] )?(?:\*\*|__)?")
_AFTER_COLON = re.compile(r"(?:\*\*|__)?(?:[ \t]{0,4},)?")
_BRACKETED = re.compile(r"\([^()]*\)")
_WORD = re.compile(r"[a-z0-9-]+")
_OPERATIVE = frozenset({"findings", "finding", "technique"})
"""Of imaging, but for those that follow a procedure or its diagnosis."""
_MARKUP = " \t*_#:\xa0"


@dataclass(frozen=True)
class _Titles:
    exact: dict[str, str]
    labels: frozenset[str]
    words: tuple[tuple[frozenset[str], str], ...]


@dataclass(frozen=True)
class _Heading:
    """`start` is where the section begins, `title` the words, `body` the place after the heading."""

    start: int
    title: Span
    body: int
    category: str
    caps: bool = False


@cache
def _titles() -> _Titles:
    exact: dict[str, str] = {}
    labels: set[str] = set()
    words: list[tuple[frozenset[str], str]] = []
    for line in Path(__file__).with_name("sections.tsv").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        category, kind, title = line.split("\t")
        if kind == "title":
            exact[title] = category
        elif kind == "label":
            labels.add(title)
        else:
            words.append((frozenset(title.split()), category))
    return _Titles(exact, frozenset(labels), tuple(words))


def normalise(title: str) -> str:
    """A heading's words as the table spells them."""
    bare = _BRACKETED.sub(" ", title.lower().replace("&", " and "))
    return " ".join(bare.split()).strip(" .:*_#-")


def categorise(title: str) -> str | None:
    """The category a title opens, `unknown` for one never seen, None for a label inside a section."""
    known = _titles()
    name = normalise(title)
    if name in known.exact:
        return known.exact[name]
    words = set(_WORD.findall(name)) - {"and", "of", "the"}
    if name in known.labels or not words or words <= known.labels:
        return None
    return next((category for needed, category in known.words if needed <= words), UNKNOWN)


def is_known(title: str) -> bool:
    """Whether the title is one of the table's, or its words say what the section is."""
    return normalise(title) in _titles().exact or categorise(title) not in (None, UNKNOWN)


def find_sections(text: str) -> list[Section]:
    """Sections in order, covering `text` from 0 to its end without gap or overlap; at least one.

    Text before the first heading is a section without a title. Time is linear in the text's length.
    """
    headings = _in_order(text)
    starts = [heading.start for heading in headings]
    if not starts or text[: starts[0]].strip():
        headings.insert(0, _Heading(0, Span(0, 0), 0, UNKNOWN))
        starts.insert(0, 0)
    starts[0] = 0
    bounds = pairwise([*starts, len(text)])
    return [
        Section(
            id=f"s{number}",
            span=Span(start, end),
            title=text[heading.title.start : heading.title.end],
            category=heading.category,
            body=heading.body,
        )
        for number, (heading, (start, end)) in enumerate(zip(headings, bounds, strict=True), start=1)
    ]


def title_span(text: str, section: Section) -> Span | None:
    """Where a section's heading stands in the note; None for a section without one."""
    if not section.title:
        return None
    start = text.find(section.title, section.span.start, section.body)
    return Span(start, start + len(section.title))


def _in_order(text: str) -> list[_Heading]:
    found = sorted([*_line_headings(text), *_inline_headings(text)], key=lambda heading: heading.start)
    kept: list[_Heading] = []
    for heading in found:
        if not kept or (heading.start >= kept[-1].body and not _inside(heading, kept[-1])):
            kept.append(_in_context(text, heading, kept))
    return kept


def _in_context(text: str, heading: _Heading, before: list[_Heading]) -> _Heading:
    if heading.category != "imaging" or not before or before[-1].category not in ("procedures", "diagnosis"):
        return heading
    operative = normalise(text[heading.title.start : heading.title.end]) in _OPERATIVE
    return replace(heading, category="procedures") if operative else heading


def _inside(heading: _Heading, section: _Heading) -> bool:
    """Whether a heading in small letters only divides its section: "Vitals:" under "OBJECTIVE:"."""
    return section.caps and not heading.caps and heading.category == section.category


def _line_headings(text: str) -> Iterator[_Heading]:
    previous_end = -2
    for line in _LINE.finditer(text):
        start, end = line.span()
        lead = len(line[0]) - len(line[0].lstrip())
        if start + lead == end:
            continue
        after_blank = start - previous_end > 1 and text[previous_end:start] != "\r\n"
        previous_end = end
        heading = _line_heading(text, start + lead, end, after_blank)
        if heading is not None:
            yield heading


def _line_heading(text: str, start: int, end: int, after_blank: bool) -> _Heading | None:
    head = text[start : min(end, start + _LONGEST_TITLE + 12)]
    opening = _OPENING.match(head)
    lead = opening.end() if opening else 0
    colon = head.find(":", lead)
    if colon >= 0 and not head[:colon].isspace():
        return _titled(text, start, Span(start + lead, start + colon), end)
    line = text[start:end].rstrip() if end - start <= _LONGEST_TITLE + 12 else ""
    title = line[lead:].strip(_MARKUP)
    if len(title) < 3 or not title[0].isupper() or title.endswith("."):
        return None
    category = categorise(title)
    caps = title.isupper()
    if category is None or (
        category == UNKNOWN and not (caps and _opens_prose(text, title, end, after_blank))
    ):
        return None
    if not caps and normalise(title) not in _titles().exact:
        return None
    at = text.index(title, start)
    return _Heading(start, Span(at, at + len(title)), start + len(line), category, caps)


def _opens_prose(text: str, title: str, end: int, after_blank: bool) -> bool:
    """Whether unknown words in capitals, alone on a line, look like a heading rather than a list's item."""
    below = _LINE.match(text, end + 1 + text.startswith("\r\n", end))
    prose = below is not None and any(c.islower() for c in below[0][:200])
    return after_blank and prose and title[-1] not in ".,;!?" and 2 <= len(title.split()) <= 6


def _titled(text: str, start: int, words: Span, end: int) -> _Heading | None:
    """A heading ended by a colon at `words.end`, at the start of a line."""
    raw = text[words.start : words.end]
    title = raw.strip(_MARKUP)
    if not title or len(title) > _LONGEST_TITLE or not title[0].isalpha():
        return None
    category = categorise(title)
    if category is None or not _plausible(title, category, text[words.end + 1 : min(end, words.end + 8)]):
        return None
    at = words.start + raw.index(title)
    return _Heading(
        start, Span(at, at + len(title)), _body(text, words.end + 1, end), category, title.isupper()
    )


def _body(text: str, after_colon: int, end: int) -> int:
    match = _AFTER_COLON.match(text, after_colon, end)
    return match.end() if match else after_colon


def _plausible(title: str, category: str, rest: str) -> bool:
    exact = normalise(title) in _titles().exact
    if exact:
        return title[0].isupper() or (category != UNKNOWN and len(title) > 2)
    if category != UNKNOWN and all(word[0].isupper() or len(word) <= 3 for word in title.split()):
        return title[0].isupper() and len(title.split()) <= 8
    letters = sum(c.isalpha() for c in title)
    return title.isupper() and letters >= 5 and len(title.split()) <= 6 and not rest.strip(" ,")[:1].isdigit()


def _inline_headings(text: str) -> Iterator[_Heading]:
    for match in _INLINE.finditer(text):
        start = match.start(2)
        if match[0][0] == "," and not match[1] and len(match[2]) > 1:
            heading = _titled(text, start, Span(start, match.end(2)), min(len(text), match.end() + 12))
        elif match[2].isupper() and len(match[2]) > 2 and normalise(match[2]) in _titles().exact:
            category = categorise(match[2]) or UNKNOWN
            body = _body(text, match.end(), len(text))
            heading = _Heading(start, Span(start, match.end(2)), body, category, caps=True)
        else:
            heading = None
        if heading is not None:
            yield heading
