"""What the head learned, what the patterns find, and what follows from both for the rest of the note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from models.phi.consistency import everywhere
from models.phi.found import Found, apart
from models.phi.names import TITLE, find_names
from models.phi.patterns import find
from models.phi.thresholds import OTHERWISE
from models.thresholds import Thresholds
from models.types import Span


def resolve(
    text: str, learned: Iterable[tuple[Span, str, float]], thresholds: Thresholds
) -> tuple[Found, ...]:
    """A note's protected health information, in the order of the text, none over another.

    `learned`: spans of all passages in the note's own places, each with its category and confidence.
    1. Findings under their category's threshold are dropped, the patterns' as well as the head's. Of learned
       ones that overlap, the surer stays, then the longer.
    2. Where learned and patterns overlap, one finding covers all of it: of the longest one's category, of
       the surer one's if they are as long, and as sure as the surest of them.
    3. A form of address and fields like "Patient Name:" add names where nothing was found.
    4. What was found is found everywhere in the note (`everywhere`).
    Raises `ValueError` for a learned span outside of the text.
    """
    sure = apart(one for one in _inside(text, learned) if _enough(one, thresholds))
    forms = [one for one in find(text) if _enough(one, thresholds)]
    found = [_one(group) for group in _overlapping(sure, forms)]
    weak = [one for one in find_names(text) if _enough(one, thresholds)]
    found = _added(found, apart(weak))
    return tuple(_added(found, everywhere(text, found)))


def _enough(one: Found, thresholds: Thresholds) -> bool:
    return one.confidence >= thresholds.get(one.category, OTHERWISE)


def _inside(text: str, learned: Iterable[tuple[Span, str, float]]) -> Iterator[Found]:
    """Learned spans without the white space at their ends; a form of address alone is nobody's name."""
    for span, category, confidence in learned:
        if not 0 <= span.start <= span.end <= len(text):
            raise ValueError(f"a learned span {span.start}…{span.end} lies outside of a text of {len(text)}")
        said = text[span.start : span.end]
        start = span.start + len(said) - len(said.lstrip())
        end = span.start + len(said.rstrip())
        address = category == "NAME" and TITLE.fullmatch(f"{text[start:end]} ")
        if start < end and not address:
            yield Found(Span(start, end), category, confidence)


def _overlapping(*lists: Sequence[Found]) -> Iterator[list[Found]]:
    """Groups of findings that hang together by overlaps."""
    group: list[Found] = []
    end = 0
    for one in sorted(one for found in lists for one in found):
        if group and one.span.start >= end:
            yield group
            group = []
        end = max(end, one.span.end) if group else one.span.end
        group.append(one)
    if group:
        yield group


def _one(group: Sequence[Found]) -> Found:
    """The finding that stands for a group of overlapping ones."""
    whole = Span(min(one.span.start for one in group), max(one.span.end for one in group))
    longest = max(group, key=lambda one: (len(one.span), one.confidence))
    return Found(whole, longest.category, max(one.confidence for one in group))


def _added(found: Sequence[Found], more: Iterable[Found]) -> list[Found]:
    """`found`, and those of `more` that overlap with none of it."""
    groups = _overlapping(found, list(more))
    kept = set(found)
    return sorted(kept | {group[0] for group in groups if len(group) == 1})
