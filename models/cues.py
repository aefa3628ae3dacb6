"""Words around a concept that say how it is asserted: negated, uncertain, past, another person's, …

Method: ConText (Harkema et al. 2009). Of the phrases in `cues.tsv` the longest wins; a cue reaches forwards
or backwards inside its sentence until a stop phrase or too many words; words of other concepts do not count,
so that "no fever, chills, or cough" negates all three. The nearest cue on an axis decides it. Linear time.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import phrases
from models.phrases import Action, Match
from models.sentences import sentences
from models.types import AXES, Cue, Span

REACH = {
    "negation": (9, 4), "uncertainty": (7, 4), "history": (12, 5), "future": (7, 4), "hypothetical": (20, 4),
    "conditional": (4, 4), "experiencer": (15, 5),
}  # fmt: skip
"""How many words of no concept may lie between cue and concept: cue before, cue after."""

FARTHEST = 600
"""Characters that a cue reaches at most, however many concepts lie between."""

MOST_WORDS = FARTHEST
"""In what a cue reaches across."""

SURE, SURE_OF_DOUBT = 0.03, 0.0005
"""A rule gives way where the model finds its answer less probable than this; one that says "possible" hardly
ever, as the labels that the model learned from leave out many a "may" and "probable"."""

LEAST = {"certainty": 0.2, "conditionality": 0.8, "association": 0.9, "temporality": 0.4}
"""Where no cue speaks an unusual value stands from this probability on; of certainty, doubt of any grade,
while "negative" needs the model to be sure. 0.4 is half of the F1 that the model reaches there, where F1 is
highest (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure"); of certainty, of
which the model is too sure, it is lower (by held-out documents of PHEE). What it learned from made-up
sentences alone (conditions, other persons) has to be surer."""

RULE_WEIGHT = 0.9
"""How far a rule alone is trusted, when its answer and the model's become one confidence."""

_WORD = re.compile(r"[^\W_]+(?:['’/-][^\W_]+)*")
_LINKS = frozenset({"and", "or", "nor", "any", "the", "a", "an", "of"})
_CLOSED = re.compile(r"\s*(?:[.,;)]|$)")
_ANSWER = re.compile(r"\s*[:=–-]+\s*|\s+")
_ANSWERED = re.compile(r"\s*(?:[.,;)\n]|$)|\s{2}|\s[^\W\d_][^:.,;\n]{0,40}:")
"""After an answer that stands for itself: an end, a gap, or the next thing that is asked for."""
_ENCLOSED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_SUBORDINATE = re.compile(r".*\b(?:that|if|whether)\s+", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"[\"“][^\"“”]*[\"”]")

Judgement = tuple[tuple[str, str, str, str], tuple[float, float, float, float], tuple[Cue, ...]]
Float = NDArray[np.float64]

_COLUMNS = [(axis, value) for axis, values in AXES.items() for value in values]
_VALUES = [value for _, value in _COLUMNS]
_COLUMN = {column: number for number, column in enumerate(_COLUMNS)}
_USUAL = np.array([_COLUMN[axis, values[0]] for axis, values in AXES.items()])
"""The column of the usual value of each axis: the first of the axis."""
_GIVES_WAY = np.array([SURE_OF_DOUBT if value.endswith("Possible") else SURE for value in _VALUES])
"""By column: below which probability a rule that says so gives way."""
_LEAST = [LEAST[axis] for axis in AXES]
_EASIEST = min(_LEAST)


class _Decision(NamedTuple):
    """By a cue at `span`: the value of an axis, as a column of the probabilities."""

    column: int
    kind: str
    span: Span
    distance: int


Decisions = dict[tuple[int, int], _Decision]
"""By span and axis, as numbers; only where a cue decides."""


def resolve(
    passages: Sequence[tuple[str, Sequence[Span]]], probabilities: NDArray[np.float32]
) -> list[Judgement]:
    """How each span (in order) of each text is asserted: values and confidences of the four axes, evidence.

    `probabilities` float32 [m, 13]: the model's, axis after axis as in `AXES`. Cues, or the usual value where
    there are none, decide unless the model is sure of something else. A cue that decided is evidence.
    """
    decisions: Decisions = {}
    rows = 0
    for text, spans in passages:
        decisions.update(_decide(text, spans, rows))
        rows += len(spans)
    columns, confidences, doubted = _judge(decisions, probabilities.astype(np.float64))
    evidence: dict[int, set[tuple[Span, str]]] = defaultdict(set)
    for (row, axis), decision in decisions.items():
        if decision.column != _USUAL[axis] and not doubted[row, axis]:
            evidence[row].add((decision.span, decision.kind))
    return [
        (
            (_VALUES[a], _VALUES[b], _VALUES[c], _VALUES[d]),
            (p, q, r, s),
            tuple(Cue(kind, span) for span, kind in sorted(evidence[row])) if row in evidence else (),
        )
        for row, ((a, b, c, d), (p, q, r, s)) in enumerate(
            zip(columns.tolist(), confidences.tolist(), strict=True)
        )
    ]


def _judge(decisions: Decisions, model: Float) -> tuple[NDArray[np.intp], Float, NDArray[np.bool_]]:
    """Per span and axis: the value's column, its confidence, and whether the model overruled the rules."""
    columns = np.tile(_USUAL, (len(model), 1))
    silent = np.ones(columns.shape, np.bool_)
    for place, decision in decisions.items():
        columns[place], silent[place] = decision.column, False
    probability = np.take_along_axis(model, columns, 1)
    doubted = probability < _GIVES_WAY[columns]
    confidence = _combined(probability)
    if (probability < 1 - _EASIEST).any():
        for number, (first, stop) in enumerate(pairwise([*_USUAL, len(_COLUMNS)])):
            unusual = model[:, first + 1 : stop - (number == 0)]
            mass = unusual.sum(1) if number == 0 else unusual.max(1)
            raised = silent[:, number] & ~doubted[:, number] & (mass > _LEAST[number])
            likeliest = model[:, first:stop].argmax(1)
            for chosen, column, sure in (
                (doubted[:, number], first + likeliest, model[:, first:stop].max(1)),
                (raised, first + 1 + unusual.argmax(1), mass),
            ):
                columns[chosen, number], confidence[chosen, number] = column[chosen], sure[chosen]
            doubted[:, number] |= raised
    return columns, confidence.clip(0.0, 1.0).round(4), doubted


def _combined(probability: Float) -> Float:
    """Model and rule agree: the odds of both, as of independent witnesses."""
    both = probability * RULE_WEIGHT
    return both / (both + (1 - probability) * (1 - RULE_WEIGHT))


def _decide(text: str, spans: Sequence[Span], first: int) -> Decisions:
    """What cues say of the spans, which are numbered from `first` on."""
    found = phrases.find(text, spans) if spans else {}
    if not found:
        return {}
    context = _Context(text, spans)
    decisions = {}
    for number, axis in enumerate(AXES):
        if axis in found:
            cues = _Cues(axis, found[axis], context)
            for row, (span, sentence) in enumerate(zip(spans, context.of_spans, strict=True), first):
                if (decision := cues.decide(span, sentence)) is not None:
                    decisions[row, number] = decision
    return decisions


class _Context:
    """Where the spans of a text stand, and the words that a cue has to reach across."""

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self.text = text
        self.sentences = sentences(text, 0, len(text)) or [Span(0, len(text))]
        self._begins = [sentence.start for sentence in self.sentences]
        self.of_spans = [self.sentence(span.start) for span in spans]
        ordered = sorted((span.start, span.end) for span in spans)
        self._concepts = [start for start, _ in ordered]
        self._concept_ends = list(accumulate((end for _, end in ordered), max))
        self._words: dict[int, list[int]] = {}
        self._asides = self._enclosed(text)
        self._aside_starts = [aside.start for aside in self._asides]

    def _enclosed(self, text: str) -> list[Span]:
        """What brackets enclose, and quotations that hold a concept: inside the marks, in order."""
        inside = [Span(found.start() + 1, found.end() - 1) for found in _ENCLOSED.finditer(text)]
        for found in _QUOTED.finditer(text):
            after = bisect_left(self._concepts, found.start())
            if after < len(self._concepts) and self._concepts[after] < found.end():
                inside.append(Span(found.start() + 1, found.end() - 1))
        return sorted(inside)

    def aside(self, match: Match, place: int) -> bool:
        """Whether a phrase is only a part of what was enclosed before `place`: said of nothing outside."""
        number = bisect_right(self._aside_starts, match.start) - 1
        if number < 0:
            return False
        start, end = self._asides[number].start, self._asides[number].end
        return match.end <= end < place and (match.start, match.end) != (start, end)

    def subordinate(self, match: Match) -> bool:
        """Whether a phrase opens a clause that what stands before is said of: "unlikely that he has"."""
        return _SUBORDINATE.fullmatch(self.text, max(0, match.start - 9), match.start) is not None

    def answers(self, match: Match) -> bool:
        """Whether a phrase is what a concept before it was asked for, as "no" in "Fever: no"."""
        concept = bisect_left(self._concepts, match.start) - 1
        gap = "" if concept < 0 else self.text[self._concept_ends[concept] : match.start]
        asked = _ANSWER.fullmatch(gap) is not None
        return asked and _ANSWERED.match(self.text, match.end) is not None

    def sentence(self, place: int) -> int:
        """The number of the sentence there."""
        return max(0, bisect_right(self._begins, place) - 1)

    def distance(self, sentence: int, gap: tuple[int, int]) -> int:
        """How many words start in a gap within a sentence, but for those of concepts and mere links."""
        words = self._words.get(sentence)
        if words is None:
            words = self._words[sentence] = list(self._words_outside(self.sentences[sentence]))
        return bisect_left(words, gap[1]) - bisect_left(words, gap[0])

    def _words_outside(self, sentence: Span) -> Iterator[int]:
        for word in _WORD.finditer(self.text, sentence.start, sentence.end):
            start = word.start()
            concept = bisect_right(self._concepts, start) - 1
            outside = concept < 0 or self._concept_ends[concept] <= start
            if outside and word[0].lower() not in _LINKS:
                yield start


class _Cues:
    """What the phrases of a text say on one axis."""

    def __init__(self, axis: str, matches: Sequence[Match], context: _Context) -> None:
        self._axis = axis
        self._matches = matches
        self._starts = [match.start for match in matches]
        self._context = context
        self._telling = {context.sentence(match.start) for match in matches if match.effect.cues}

    def decide(self, span: Span, sentence: int) -> _Decision | None:
        """What the nearest cue says of a concept."""
        if sentence not in self._telling:
            return None
        before = self._walk(span, sentence, forwards=False)
        after = self._walk(span, sentence, forwards=True)
        if before and after:
            return after if after.distance <= before.distance else before
        return before or after

    def _walk(self, span: Span, sentence: int, *, forwards: bool) -> _Decision | None:
        """From a concept outwards: the first cue that reaches it and is not stopped on the way."""
        stopped: frozenset[str] = frozenset()
        for match in self._outwards(span, self._context.sentences[sentence], forwards=forwards):
            cues, stops = match.effect.cues, match.effect.stops
            gap = (span.end, match.start) if forwards else (match.end, span.start)
            for cue in cues:
                if cue.kind not in stopped and self._faces(cue, match, gap, forwards):
                    distance = self._context.distance(sentence, gap)
                    if distance <= _reach(cue, forwards):
                        column = _COLUMN[self._axis, cue.value]
                        return _Decision(column, cue.kind, Span(match.start, match.end), distance)
            if not stops or self._context.subordinate(match):
                continue
            if "any" in stops:
                return None
            stopped |= stops
        return None

    def _outwards(self, span: Span, sentence: Span, *, forwards: bool) -> Iterator[Match]:
        matches, starts = self._matches, self._starts
        if forwards:
            limit = min(sentence.end, span.end + FARTHEST)
            return iter(matches[bisect_left(starts, span.end) : bisect_left(starts, limit)])
        limit = max(sentence.start, span.start - FARTHEST)
        before = matches[bisect_left(starts, limit) : bisect_left(starts, span.start)]
        return (
            match
            for match in reversed(before)
            if match.end <= span.start and not self._context.aside(match, span.start)
        )

    def _faces(self, cue: Action, match: Match, gap: tuple[int, int], forwards: bool) -> bool:
        """Whether a concept on this side of the cue may be meant."""
        if cue.place == "answer":
            answered = _ANSWER.fullmatch(self._context.text, *gap) is not None
            return forwards and answered and self._context.answers(match)
        if match.effect.answers and not forwards and self._context.answers(match):
            return False
        if cue.place == "adjacent":
            return not forwards
        if cue.place == "joined":
            return forwards and self._context.text[slice(*gap)].isspace()
        if cue.place not in ("between", "after" if forwards else "before"):
            return False
        return not match.effect.either_way or forwards == bool(_CLOSED.match(self._context.text, match.end))


def _reach(cue: Action, forwards: bool) -> int:
    if cue.place == "adjacent":
        return 1
    return MOST_WORDS if cue.place == "answer" else REACH[cue.kind][forwards]
