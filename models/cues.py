"""Words around a concept that say how it is asserted: negated, uncertain, past, another person's, …

Method: ConText (Harkema et al. 2009). Of the phrases in `cues.tsv` the longest wins; a cue reaches forwards
or backwards inside its sentence until a stop phrase or too many words; words of other concepts do not count,
so that "no fever, chills, or cough" negates all three. The nearest cue on an axis decides it. Linear time.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

import ahocorasick
import numpy as np
from numpy.typing import NDArray

from models.sentences import sentences
from models.types import AXES, Cue, Span

AXIS_OF = {
    "negation": "certainty", "uncertainty": "certainty", "history": "temporality", "future": "temporality",
    "hypothetical": "conditionality", "conditional": "conditionality", "experiencer": "association",
}  # fmt: skip
REACH = {
    "negation": (9, 4), "uncertainty": (7, 4), "history": (12, 5), "future": (7, 4), "hypothetical": (20, 4),
    "conditional": (4, 4), "experiencer": (15, 5),
}  # fmt: skip
"""How many words of no concept may lie between cue and concept: cue before, cue after."""

FARTHEST = 600
"""Characters that a cue reaches at most, however many concepts lie between."""

SURE = 0.03
"""A rule gives way where the model finds its answer less probable than this."""

RULE_WEIGHT = 0.9
"""How far a rule alone is trusted, when its answer and the model's become one confidence."""

_FOLD = str.maketrans(ascii_uppercase + "’‘\u00a0", ascii_lowercase + "'' ")
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+(?:['’/-][^\W_]+)*")
_LINKS = frozenset({"and", "or", "nor", "any", "the", "a", "an", "of"})
_CLOSED = re.compile(r"\s*(?:[.,;)]|$)")
_ANSWER = re.compile(r"\s*[:=–-]+\s*")

Judgement = tuple[tuple[str, str, str, str], tuple[float, float, float, float], tuple[Cue, ...]]


class _Action(NamedTuple):
    kind: str
    place: str
    value: str


class _Match(NamedTuple):
    """A phrase found in a text, and what it does on one axis."""

    start: int
    end: int
    actions: tuple[_Action, ...]

    @property
    def either_way(self) -> bool:
        """Such as "likely": before a comma it looks back, before a word it looks ahead."""
        return {"before", "after"} <= {action.place for action in self.actions}


class _Decision(NamedTuple):
    value: str
    kind: str
    span: Span
    distance: int


def resolve(text: str, spans: Sequence[Span], probabilities: NDArray[np.float32]) -> list[Judgement]:
    """How each of `spans` (in order) is asserted: values and confidences of the four axes, and the evidence.

    `probabilities` float32 [m, 13]: the model's, axis after axis as in `AXES`. Cues, or the usual value where
    there are none, decide unless the model is sure of something else. A cue that decided is evidence.
    """
    if not spans:
        return []
    context = _Context(text, spans)
    judged = []
    for span, row in zip(spans, probabilities.tolist(), strict=True):
        judged.append(_judge({axis: context.decide(span, axis) for axis in AXES}, row))
    return judged


def _judge(decided: dict[str, _Decision | None], row: list[float]) -> Judgement:
    values, confidences, evidence, at = [], [], set(), 0
    for axis, names in AXES.items():
        model = dict(zip(names, row[at : at + len(names)], strict=True))
        at += len(names)
        decision = decided[axis]
        value = decision.value if decision else names[0]
        sure_of_another = model[value] < SURE
        if sure_of_another:
            value = max(model, key=model.__getitem__)
        elif decision and value != names[0]:
            evidence.add((decision.span, decision.kind))
        values.append(value)
        confidences.append(model[value] if sure_of_another else _combined(model[value]))
    cues = tuple(Cue(kind, span) for span, kind in sorted(evidence))
    return (values[0], values[1], values[2], values[3]), _four(confidences), cues


def _combined(probability: float) -> float:
    """Model and rule agree: the odds of both, as of independent witnesses."""
    both = probability * RULE_WEIGHT
    return both / (both + (1 - probability) * (1 - RULE_WEIGHT))


def _four(numbers: list[float]) -> tuple[float, float, float, float]:
    first, second, third, fourth = (round(min(1.0, max(0.0, number)), 4) for number in numbers)
    return first, second, third, fourth


class _Context:
    """The cues of a text and the words that they have to reach across."""

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._text = text
        self._matches = _find(text)
        self._starts = {axis: [match.start for match in found] for axis, found in self._matches.items()}
        self._sentences = sentences(text, 0, len(text)) or [Span(0, len(text))]
        self._begins = [sentence.start for sentence in self._sentences]
        self._words = list(_words_outside(text, spans))

    def decide(self, span: Span, axis: str) -> _Decision | None:
        """What the nearest cue of an axis says of a concept."""
        sentence = self._sentences[max(0, bisect_right(self._begins, span.start) - 1)]
        before = self._walk(span, axis, sentence, forwards=False)
        after = self._walk(span, axis, sentence, forwards=True)
        if before and after:
            return after if after.distance <= before.distance else before
        return before or after

    def _walk(self, span: Span, axis: str, sentence: Span, *, forwards: bool) -> _Decision | None:
        """From a concept outwards: the first cue that reaches it and is not stopped on the way."""
        stopped: set[str] = set()
        for match in self._outwards(span, axis, sentence, forwards=forwards):
            gap = (span.end, match.start) if forwards else (match.end, span.start)
            distance = bisect_left(self._words, gap[1]) - bisect_left(self._words, gap[0])
            for action in match.actions:
                if action.kind not in stopped and self._reaches(action, match, gap, distance, forwards):
                    return _Decision(action.value, action.kind, Span(match.start, match.end), distance)
            stops = {action.kind for action in match.actions if action.place == "stop"}
            if "any" in stops:
                return None
            stopped |= stops
        return None

    def _outwards(self, span: Span, axis: str, sentence: Span, *, forwards: bool) -> Iterator[_Match]:
        matches, starts = self._matches[axis], self._starts[axis]
        if forwards:
            limit = min(sentence.end, span.end + FARTHEST)
            places = range(bisect_left(starts, span.end), bisect_left(starts, limit))
        else:
            limit = max(sentence.start, span.start - FARTHEST)
            places = range(bisect_left(starts, span.start) - 1, bisect_left(starts, limit) - 1, -1)
        for place in places:
            if forwards or matches[place].end <= span.start:
                yield matches[place]

    def _reaches(
        self, action: _Action, match: _Match, gap: tuple[int, int], distance: int, forwards: bool
    ) -> bool:
        if action.place == "answer":
            return forwards and _ANSWER.fullmatch(self._text, *gap) is not None
        if action.place == "adjacent":
            return not forwards and distance <= 1
        if action.place not in ("between", "after" if forwards else "before"):
            return False
        if match.either_way and forwards != bool(_CLOSED.match(self._text, match.end)):
            return False
        return distance <= REACH[action.kind][forwards]


def _words_outside(text: str, spans: Sequence[Span]) -> Iterator[int]:
    """Where words start that belong to no concept and do not merely link."""
    ordered = sorted(spans)
    furthest, index = 0, 0
    for word in _WORD.finditer(text):
        while index < len(ordered) and ordered[index].start <= word.start():
            furthest = max(furthest, ordered[index].end)
            index += 1
        if word.start() >= furthest and word[0].lower() not in _LINKS:
            yield word.start()


def _find(text: str) -> dict[str, list[_Match]]:
    """Per axis: the longest phrases, in order, not overlapping, in offsets of `text`."""
    folded, places = _folded(text)
    found: dict[str, dict[int, tuple[int, tuple[_Action, ...]]]] = {axis: {} for axis in AXES}
    for last, (length, by_axis) in _phrases().iter(folded):
        start, end = last + 1 - length, last + 1
        if _inside_word(folded, start) or _inside_word(folded, end):
            continue
        for axis, actions in by_axis.items():
            found[axis][start] = (end, actions)  # from one start, the longer ones come later
    return {axis: list(_longest(phrases, places)) for axis, phrases in found.items()}


def _longest(phrases: dict[int, tuple[int, tuple[_Action, ...]]], places: Sequence[int]) -> Iterator[_Match]:
    taken = bytearray(len(places))
    kept = []
    for start, (end, actions) in sorted(phrases.items(), key=lambda item: (item[0] - item[1][0], item[0])):
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            kept.append(_Match(places[start], places[end - 1] + 1, actions))
    return iter(sorted(kept))


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """Lower case, one blank for any run of white space; and where each character was."""
    folded = text.translate(_FOLD)
    if "  " not in folded and not any(mark in folded for mark in "\n\r\t\x0b\x0c"):
        return folded, range(len(text))
    pieces, places, at = [], list[int](), 0
    for space in _SPACES.finditer(folded):
        pieces += [folded[at : space.start()], " "]
        places += range(at, space.start() + 1)
        at = space.end()
    return "".join(pieces) + folded[at:], [*places, *range(at, len(text))]


def _inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


@cache
def _phrases() -> Any:
    """Every phrase of `cues.tsv`, with its actions by axis, as one automaton."""
    rows: dict[str, dict[str, list[_Action]]] = {}
    for line in Path(__file__).with_name("cues.tsv").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        kind, place, value, phrase = line.split("\t")
        for axis in AXES if kind == "any" else (AXIS_OF[kind],):
            rows.setdefault(phrase, {}).setdefault(axis, []).append(_Action(kind, place, value))
    automaton = ahocorasick.Automaton()
    for phrase, by_axis in rows.items():
        automaton.add_word(phrase, (len(phrase), {axis: tuple(actions) for axis, actions in by_axis.items()}))
    automaton.make_automaton()
    return automaton
