"""What is found in a note: where, of which category, how sure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from models.types import Span


class Found(NamedTuple):
    """A stretch of a note's text that may identify somebody; `confidence` in [0, 1]."""

    span: Span
    category: str
    confidence: float


def apart(found: Iterable[Found]) -> list[Found]:
    """The surer before the less sure, longer before shorter; what overlaps with a kept one is dropped.

    In the order of the text.
    """
    kept: list[Found] = []
    taken: list[tuple[int, int]] = []
    for one in sorted(found, key=lambda f: (-f.confidence, f.span.start - f.span.end, f.span)):
        if not _clashes(one.span, taken):
            kept.append(one)
    return sorted(kept)


def _clashes(span: Span, taken: list[tuple[int, int]]) -> bool:
    """Whether a span overlaps with one in a sorted list of places apart; if not, it is put there."""
    at = bisect_left(taken, (span.start, span.start))
    if at < len(taken) and taken[at][0] < span.end:
        return True
    if at and taken[at - 1][1] > span.start:
        return True
    taken.insert(at, (span.start, span.end))
    return False
