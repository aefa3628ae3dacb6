"""Spans of entities: exact, and lenient where boundaries may differ.

Lenient: a gold and a found span of one label match if they overlap, each with one other at most. Exact pairs
are matched first, then those that share most characters, so that lenient never counts less than exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from models.corpora.scheme import Labelled
from models.evaluation.counts import Threes
from models.types import Entity

Place = tuple[int, int, str]
"""Start, end, label."""
Names = Mapping[str, str]
"""What categories are called in a task; others have no part in it. Several may have one name."""


def gold_places(spans: Iterable[Labelled], names: Names) -> frozenset[Place]:
    """Labelled spans under a task's names; nothing where the corpus does not know what it is."""
    return frozenset((s.start, s.end, names[c]) for s in spans for c in s.allowed if c in names)


def found_places(entities: Iterable[Entity], names: Names) -> frozenset[Place]:
    return frozenset((e.span.start, e.span.end, names[e.category]) for e in entities if e.category in names)


def exact(gold: Collection[Place], found: Collection[Place]) -> Threes:
    """Right is what has the same start, end and label."""
    return _threes(gold, found, set(gold) & set(found))


def lenient(gold: Collection[Place], found: Collection[Place]) -> Threes:
    """Right is what is matched; see the head of this file."""
    return _threes(gold, found, [one for one, _ in matched(gold, found)])


def matched(gold: Collection[Place], found: Collection[Place]) -> list[tuple[Place, Place]]:
    """Pairs (gold, found) of one label that overlap, none of them in two pairs. Of pairs that share as many
    characters, the first in the text is taken: the same pairs, whichever of the two sides is called gold."""
    pairs = []
    for label in {place[2] for place in gold}:
        ours, theirs = (sorted(p for p in places if p[2] == label) for places in (gold, found))
        pairs += [(_rank(one, two), one, two) for one, two in _overlapping(ours, theirs)]
    kept: list[tuple[Place, Place]] = []
    taken: tuple[set[Place], set[Place]] = set(), set()
    for _, one, two in sorted(pairs):
        if one not in taken[0] and two not in taken[1]:
            kept.append((one, two))
            taken[0].add(one)
            taken[1].add(two)
    return kept


def _overlapping(ours: Sequence[Place], theirs: Sequence[Place]) -> Iterable[tuple[Place, Place]]:
    """Both in order of their starts."""
    for one in ours:
        for two in theirs:
            if two[0] >= one[1]:
                break
            if two[1] > one[0]:
                yield one, two


def _rank(one: Place, two: Place) -> tuple[bool, int, Place, Place]:
    shared = min(one[1], two[1]) - max(one[0], two[0])
    return one != two, -shared, *sorted((one, two))  # type: ignore[return-value]


def _threes(gold: Collection[Place], found: Collection[Place], right: Collection[Place]) -> Threes:
    labels = {place[2] for places in (gold, found) for place in places}
    return {
        label: (_of(gold, label), _of(found, label), _of(right, label)) for label in labels
    }  # fmt: skip


def _of(places: Collection[Place], label: str) -> int:
    return sum(place[2] == label for place in places)
