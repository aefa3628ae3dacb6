"""Mentions of passages → a note's entities, with codes and relations between them. Pure.

Relations of which too little is sure, with their ends, are none; nor are mentions, by their category, unless
such a relation is sure enough: what has an effect is likelier a drug. What a user demands holds of all.
Duplicates: of overlapping mentions of one category stays the most confident, then the longer, then the first.
Mentions of different categories may overlap; all stay. A relation with a mention that does not stay is none,
and what is only something in a relation (an effect is one of a drug) does not stay without.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import msgspec

from models.finish import Finish
from models.sections import is_known, normalise, title_span
from models.types import (
    AXES,
    Assertion,
    AssertionConfidence,
    Entity,
    Evidence,
    Findings,
    Link,
    Mention,
    Note,
    Passage,
    Pipeline,
    Relation,
    Section,
    Span,
    Tie,
)

DIGITS = 3
"""Decimals of every confidence in a record."""
SECTION_CONFIDENCE = 0.9
"""Confidence of an axis that a section's title decided."""
_FAMILY = frozenset({"family", "fhx", "fh", "fam", "genetic"})
_HISTORIES = frozenset({"past_medical_history", "past_surgical_history"})
_PROBLEM_LISTS = frozenset({"problem", "problems", "current", "active"})
_FAMILY_CUES = frozenset({"experiencer"})
_TIME_CUES = frozenset({"history", "future"})
_CONDITION_CUES = frozenset({"conditional", "hypothetical"})
_CERTAINTY, _CONDITIONALITY = list(AXES).index("certainty"), list(AXES).index("conditionality")
_ASSOCIATION, _TEMPORALITY = list(AXES).index("association"), list(AXES).index("temporality")

Item = TypeVar("Item")
_encode = msgspec.json.Encoder().encode


def digest(*parts: Any, length: int = 16) -> str:
    return hashlib.sha256(_encode(parts)).hexdigest()[:length]


@lru_cache(maxsize=1 << 14)
def rounded(confidence: float) -> float:
    """Findings have four decimals, so that few numbers come again and again."""
    return round(confidence, DIGITS)


@cache
def _assertion(axes: tuple[str, ...]) -> Assertion:
    return msgspec.convert(dict(zip(Assertion.__struct_fields__, axes, strict=True)), Assertion)


# --- entities ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Whose:
    """What all entities of a note share: it, the pipeline that read it, and what finishes them."""

    note: Note
    pipeline: Pipeline
    finish: Finish


def entities_and_relations(
    whose: Whose, sections: Sequence[Section], passages: Sequence[Passage], findings: Sequence[Findings]
) -> tuple[tuple[Entity, ...], tuple[Relation, ...]]:
    """In the order of the text; relations in that of their sources, then their targets."""
    text = whose.note.text
    headings = {section.id: _known_heading(text, section) for section in sections}
    rules = {section.id: _section_rule(text, section) for section in sections}
    kept = [
        _sure_enough(whose, found, headings[passage.section] - passage.span.start)
        for passage, found in zip(passages, findings, strict=True)
    ]
    links = _links(whose, passages, [mentions for mentions, _ in kept])
    entities: list[Entity] = []
    relations: list[tuple[tuple[Span, str, Span], Relation]] = []
    for passage, (mentions, ties) in zip(passages, kept, strict=True):
        own: dict[int, Entity] = {}
        for number, mention in mentions.items():
            if not 0 <= mention.span.start < mention.span.end <= len(passage.text):
                raise AssertionError("this is a bug: a mention lies outside its passage")
            own[number] = _entity(whose, passage, mention, rules[passage.section], next(links))
        tied = _ends(ties)
        entities += [e for n, e in own.items() if n in tied or e.category not in whose.finish.dependent]
        for tie in ties:
            source, target = own[tie.source], own[tie.target]
            if source.assertion.certainty == "negative" and tie.category in whose.finish.affirmed:
                continue
            own_place = source.span, tie.category, target.span
            relations.append((own_place, _relation(whose, tie.category, source, target, tie.confidence)))
    entities.sort(key=lambda entity: (entity.span.start, entity.span.end, entity.category))
    relations.sort(key=lambda pair: pair[0])
    return tuple(entities), tuple(relation for _, relation in relations)


def _sure_enough(whose: Whose, found: Findings, heading: int) -> tuple[dict[int, Mention], list[Tie]]:
    """Mentions behind the heading, by number, and the ties between them: see the head of this file."""
    numbered = {n: found.mentions[n] for n in without_duplicates(found.mentions)}
    mentions = {n: own for n, own in numbered.items() if own.span.end > heading and _wanted(whose, own)}
    ties = [tie for tie in found.ties if _holds(whose, tie, mentions)]
    tied = _ends(tie for tie in ties if tie.category in whose.finish.least)
    kept = {n: own for n, own in mentions.items() if n in tied or _sure(whose, own)}
    return kept, [tie for tie in ties if tie.source in kept and tie.target in kept]


def _wanted(whose: Whose, mention: Mention) -> bool:
    return mention.category not in whose.finish.demanded or _sure(whose, mention)


def _sure(whose: Whose, mention: Mention) -> bool:
    return mention.confidence >= whose.finish.least.get(mention.category, 0.0)


def _holds(whose: Whose, tie: Tie, mentions: Mapping[int, Mention]) -> bool:
    if tie.source not in mentions or tie.target not in mentions:
        return False
    source, target = mentions[tie.source], mentions[tie.target]
    enough = whose.finish.least.get(tie.category, 0.0)
    return all_sure(tie.confidence, source.confidence, target.confidence) >= enough


def _ends(ties: Iterable[Tie]) -> set[int]:
    return {end for tie in ties for end in (tie.source, tie.target)}


def all_sure(relation: float, source: float, target: float) -> float:
    """How sure it is that a relation and both its ends are right, from their confidences."""
    return relation * source * target


def _links(
    whose: Whose, passages: Sequence[Passage], kept: Sequence[Mapping[int, Mention]]
) -> Iterator[tuple[Link, ...]]:
    mentions = [
        (mention.span.shift(passage.span.start), mention.category)
        for passage, own in zip(passages, kept, strict=True)
        for mention in own.values()
    ]
    if whose.finish.linker is None:
        return iter([()] * len(mentions))
    return iter(whose.finish.linker.link(whose.note.text, mentions))


def _relation(whose: Whose, category: str, source: Entity, target: Entity, confidence: float) -> Relation:
    note, fingerprint = whose.note, whose.pipeline.fingerprint
    return Relation(
        id="r" + digest(note.id, note.version, category, source.id, target.id, fingerprint),
        category=category,
        source=source.id,
        target=target.id,
        confidence=rounded(confidence),
    )


def _known_heading(text: str, section: Section) -> int:
    """Where a heading with a known title ends: its words name a section, they are no finding. Else 0."""
    title = title_span(text, section) if is_known(section.title) else None
    return 0 if title is None else title.end


def without_duplicates(mentions: Sequence[Mention]) -> list[int]:
    """Numbers of mentions of which no two of one category overlap, in order; see the head of this file."""
    order = sorted(range(len(mentions)), key=lambda n: (mentions[n].span.start, mentions[n].span.end))
    if all(mentions[a].span.end <= mentions[b].span.start for a, b in pairwise(order)):
        return order
    kept: dict[str, list[int]] = defaultdict(list)
    for number in sorted(
        order, key=lambda n: (-mentions[n].confidence, -len(mentions[n].span), mentions[n].span)
    ):
        own = mentions[number]
        if not any(own.span.overlaps(mentions[other].span) for other in kept[own.category]):
            kept[own.category].append(number)
    return sorted(number for group in kept.values() for number in group)


def _entity(
    whose: Whose, passage: Passage, mention: Mention, rule: _Rule | None, links: tuple[Link, ...]
) -> Entity:
    note = whose.note
    span = mention.span.shift(passage.span.start)
    cues = [(cue.kind, cue.span.shift(passage.span.start)) for cue in mention.evidence]
    axes: tuple[str, ...] = mention.assertion
    sure: tuple[float, ...] = mention.assertion_confidence
    if rule is not None and _applies(rule, mention):
        axes, sure = _with(axes, rule.axis, rule.value), _with(sure, rule.axis, SECTION_CONFIDENCE)
        cues.append(("section", rule.title))
    return Entity(
        id="e" + digest(note.id, note.version, span, mention.category, whose.pipeline.fingerprint),
        span=span,
        text=note.text[span.start : span.end],
        category=mention.category,
        confidence=rounded(mention.confidence),
        section=passage.section,
        assertion=_assertion(axes),
        assertion_confidence=AssertionConfidence(*map(rounded, sure)),
        evidence=tuple(
            [Evidence(kind=kind, span=place, text=note.text[place.start : place.end]) for kind, place in cues]
        ),
        links=links,
    )


def _with(axes: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    return (*axes[:place], item, *axes[place + 1 :])


# --- what a section's title says of everything under it ---------------------------------------------


class _Rule(NamedTuple):
    """Gives an axis (by its place in `AXES`) a value, unless a cue of these kinds has moved it."""

    axis: int
    usual: str
    value: str
    cues: frozenset[str]
    title: Span


def _section_rule(text: str, section: Section) -> _Rule | None:
    """Family history is another's, past history is past, what stands under allergies happens on contact."""
    title = title_span(text, section)
    if title is None:
        return None
    words = set(normalise(section.title).replace("/", " ").split())
    if section.category == "family_and_social_history":
        family_only = words & _FAMILY and not words & {"social", "shx", "sochx", "soc"}
        return _Rule(_ASSOCIATION, "subject", "other", _FAMILY_CUES, title) if family_only else None
    if section.category == "allergy":
        return _Rule(_CONDITIONALITY, "none", "conditional", _CONDITION_CUES, title)
    if section.category in _HISTORIES and not words & _PROBLEM_LISTS:
        return _Rule(_TEMPORALITY, "current", "past", _TIME_CUES, title)
    return None


def _applies(rule: _Rule, mention: Mention) -> bool:
    """A section decides only an axis that neither a cue nor the encoder moved from its usual value; what is
    denied does not happen on contact either."""
    moved = any(cue.kind in rule.cues for cue in mention.evidence)
    denied = rule.axis == _CONDITIONALITY and mention.assertion[_CERTAINTY] == "negative"
    return mention.assertion[rule.axis] == rule.usual and not moved and not denied
