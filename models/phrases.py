"""Where the phrases of `cues.tsv` stand in a text, and what each does on each axis of an assertion.

Of phrases that overlap on an axis the longest counts, so that a phrase that only looks like a cue hides the
shorter cue in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

import ahocorasick

from models.types import AXES, Span

AXIS_OF = {
    "negation": "certainty", "uncertainty": "certainty", "history": "temporality", "future": "temporality",
    "hypothetical": "conditionality", "conditional": "conditionality", "experiencer": "association",
}  # fmt: skip

_MARKS = "\n\r\t\x0b\x0c"
_FOLD = str.maketrans(ascii_uppercase + "’‘\u00a0" + _MARKS, ascii_lowercase + "'' " + " " * len(_MARKS))
_BLANKS = re.compile("  +")
_SPACES = re.compile(r"[^\S ]\s*| \s+")
"""White space that is not one blank alone."""


class Action(NamedTuple):
    kind: str
    place: str
    value: str


class Effect(NamedTuple):
    """What a phrase does on one axis. `cues` may decide; `stops`: the kinds whose reach it ends.

    `either_way`, such as "likely": before a comma it looks back, before a word it looks ahead. `answers`: it
    may be all that is said, as "no" in "Fever: no".
    """

    cues: tuple[Action, ...]
    stops: frozenset[str]
    either_way: bool
    answers: bool


class Match(NamedTuple):
    """A phrase in a text."""

    start: int
    end: int
    effect: Effect


def find(text: str, concepts: Sequence[Span] = ()) -> dict[str, list[Match]]:
    """By axis: its phrases in order, not overlapping; only of axes on which some phrase is a cue.

    What reaches into a concept is none: in "no [change in vision]" there is no "no change in".
    """
    folded, shifts = _folded(text)
    begins = sorted(concept.start for concept in concepts)
    found = []
    for last, (length, effects) in _phrases().iter(folded):
        start, end = last + 1 - length, last + 1
        words = not (_inside_word(folded, start) or _inside_word(folded, end))
        if words and not shifts.reaches(start, end, begins):
            found.append((start, end, effects))
    telling = {axis for _, _, effects in found for axis, effect in effects.items() if effect.cues}
    matches: dict[str, dict[int, Match]] = {axis: {} for axis in telling}
    for start, end, effects in found:
        for axis in telling & effects.keys():
            matches[axis][start] = Match(start, end, effects[axis])  # from one start, longer ones come later
    return {
        axis: [shifts.back(match) for match in _longest(of_axis.values(), len(folded))]
        for axis, of_axis in matches.items()
    }


class _Shifts:
    """How far the characters of a text went to the left when white space was dropped."""

    def __init__(self) -> None:
        self._from = [0]
        self._by = [0]

    def add(self, place: int, by: int) -> None:
        """From `place` on, in the text without."""
        self._from.append(place)
        self._by.append(by)

    def back(self, match: Match) -> Match:
        """Where it is in the text as it was."""
        if len(self._by) == 1:
            return match
        return Match(self._place(match.start), self._place(match.end - 1) + 1, match.effect)

    def reaches(self, start: int, end: int, places: Sequence[int]) -> bool:
        """Whether one of the places of the text as it was, in order, lies between here."""
        after = bisect_right(places, self._place(start))
        return after < len(places) and places[after] <= self._place(end - 1)

    def _place(self, place: int) -> int:
        return place + self._by[bisect_right(self._from, place) - 1]


def _folded(text: str) -> tuple[str, _Shifts]:
    """Lower case, one blank for any run of white space; and where each character was."""
    folded, shifts = text.translate(_FOLD), _Shifts()
    plain = folded.isprintable()  # of white space it has blanks alone
    if "  " not in folded and (plain or not any(mark in text for mark in _MARKS)):
        return folded, shifts
    pieces, at, length = [], 0, 0
    for space in (_BLANKS if plain else _SPACES).finditer(folded):
        pieces += [folded[at : space.start()], " "]
        length += space.start() - at + 1
        at = space.end()
        shifts.add(length, at - length)
    return "".join(pieces) + folded[at:], shifts


def _longest(matches: Iterable[Match], length: int) -> list[Match]:
    """In order; where they overlap the longest, of those the first."""
    ordered = sorted(matches, key=attrgetter("start"))
    if all(match.end <= following.start for match, following in pairwise(ordered)):
        return ordered
    taken = bytearray(length)
    kept = []
    for match in sorted(ordered, key=lambda match: match.start - match.end):
        start, end, _ = match
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            kept.append(match)
    return sorted(kept, key=attrgetter("start"))


def _inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


@cache
def _phrases() -> Any:
    """Every phrase of `cues.tsv`, with its effect by axis, as one automaton."""
    rows: dict[str, dict[str, list[Action]]] = {}
    for line in Path(__file__).with_name("cues.tsv").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        kind, place, value, phrase = line.split("\t")
        for axis in AXES if kind == "any" else (AXIS_OF[kind],):
            rows.setdefault(phrase, {}).setdefault(axis, []).append(Action(kind, place, value))
    automaton = ahocorasick.Automaton()
    for phrase, by_axis in rows.items():
        effects = {axis: _effect(actions) for axis, actions in by_axis.items()}
        automaton.add_word(phrase, (len(phrase), effects))
    automaton.make_automaton()
    return automaton


def _effect(actions: Sequence[Action]) -> Effect:
    cues = tuple(action for action in actions if action.place not in ("stop", "pseudo"))
    stops = frozenset(action.kind for action in actions if action.place == "stop")
    places = {action.place for action in cues}
    return Effect(cues, stops, {"before", "after"} <= places, "answer" in places)
