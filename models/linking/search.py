"""Codes for one name in one terminology, from the surest way of finding them to the least sure.

A score is about how often a code found so was right for the mentions of BC5CDR and NCBI Disease that are not
held out; a terminology's own name is 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from models.linking import forms
from models.linking.index import Index, kind_of
from models.linking.looks import covered
from models.linking.rules import Kind, rules

BY_KIND = (1.0, 0.98, 0.95, 0.85)
"""By how the name found belongs to its code: its own, another, a related one, one seen."""
NORMAL, JOINED, ACID, LOOSE, LOOSER, PART, PIECE = 0.97, 0.94, 0.92, 0.9, 0.75, 0.8, 0.7
"""By the form in which it was found."""
SHORTEST = 5
"""Characters of what may be found by its looks or by a part alone."""
LOOKED_AT = 20
COVERED = 0.7
"""Share of a name's letters that a mention which looks like it must have."""
LIKELY, BY_LOOKS = 0.4, (0.35, 0.5)
"""Of what looks alike, the least that is taken; and how its likeness becomes a score."""
MOST_PARTS = MOST_PIECES = 8
_ACID = re.compile(r"(.{3,})at$")
_DOSE = re.compile(r"\b\d[\d.,]*\s?(?:mg|mcg|µg|ug|g|gm|grams?|kg|ml|cc|units?|iu|meq|mmol|%)(?:/\w+)*(?!\w)")
_PARTS = re.compile(r"\s*(?:,|/|\band/or\b|\band\b|\bor\b|\bplus\b)\s*")


class Candidate(NamedTuple):
    owner: int
    score: float


def by_name(index: Index, name: str, category: str, most: int) -> list[Candidate]:
    """What is called so, in some form. At most `most`, best first; each code once."""
    plain, words = forms.plain(name), forms.words(name)
    hits = index.exact.of(plain)
    if hits or not words:
        return _ranked(index, hits, words, 1.0, most)
    kind = kind_of(category)
    return _by_name(index, forms.words(_dosed(plain, kind)) or words, kind, most)


def by_likeness(index: Index, name: str, category: str, most: int) -> list[Candidate]:
    """What is called like it, or like a part of it, where nothing is called so."""
    kind = kind_of(category)
    plain = _dosed(forms.plain(name), kind)
    words = forms.words(plain)
    if not words or not rules(kind).classes.isdisjoint(words):
        return []
    return max(
        _by_parts(index, plain, kind, most),
        _by_looks(index, words, kind, most),
        _by_piece(index, words, kind, most),
        key=lambda found: found[0].score if found else 0.0,
    )


def _dosed(plain: str, kind: Kind) -> str:
    """A drug without its dose."""
    return _DOSE.sub(" ", plain) if kind == "drug" else plain


def _by_name(index: Index, words: Sequence[str], kind: Kind, most: int) -> list[Candidate]:
    """By the first form under which a name is the same."""
    for hits, scale in _forms(index, words, kind):
        if hits:
            return _ranked(index, hits, words, scale, most)
    return []


def _forms(index: Index, words: Sequence[str], kind: Kind) -> Iterator[tuple[list[int], float]]:
    of_kind, loose = rules(kind), index.loose(kind)
    yield index.normal.of(forms.key(words)), NORMAL
    yield index.joined.of("".join(words)), JOINED
    if kind == "drug":
        unsalted = [word for word in words if word not in of_kind.heads] or words
        acid = _ACID.fullmatch(unsalted[-1])  # glutamate, glutamic acid
        if acid:
            yield index.normal.of(forms.key([*unsalted[:-1], acid[1] + "ic", "acid"])), ACID
    hits, names = loose.of(forms.key(of_kind.loose(words))), index.terminology.names
    yield [hit for hit in hits if not of_kind.says_more(forms.words(names[hit]), words)], LOOSE
    for fewer in of_kind.looser(words):
        yield loose.of(forms.key(fewer)), LOOSER


def _by_parts(index: Index, plain: str, kind: Kind, most: int) -> list[Candidate]:
    """Of "breast and ovarian cancer" breast cancer and ovarian cancer; of "fever, cough" both."""
    parts = [part for part in _PARTS.split(plain)[:MOST_PARTS] if part]
    if len(parts) < 2:
        return []
    shared = parts[-1].partition(" ")[2]
    best: dict[int, float] = {}
    for part in parts:
        found: list[Candidate] = []
        for words in (
            forms.words(f"{part} {shared}") if part != parts[-1] and shared else [],
            forms.words(part),
        ):
            found = found or (_by_name(index, words, kind, 1) if words else [])
        for owner, score in found:
            best.setdefault(owner, round(PART * score, 3))
    return sorted((Candidate(*item) for item in best.items()), key=lambda each: -each.score)[:most]


def _by_piece(index: Index, words: Sequence[str], kind: Kind, most: int) -> list[Candidate]:
    """By the longest piece of a mention that is a name. Of a problem only its end, where in English the head
    stands: "eosinophilic myocarditis"; of a drug any: "pulse methylprednisolone three times"."""
    little = rules(kind).heads | rules(kind).vague
    words = words[-MOST_PIECES:]
    for length in range(len(words) - 1, 0, -1):
        for begin in range(len(words) - length + 1) if kind == "drug" else (len(words) - length,):
            piece = words[begin : begin + length]
            if len("".join(piece)) >= SHORTEST and not little.issuperset(piece):
                found = _by_name(index, piece, kind, most)
                if found:
                    return [Candidate(owner, round(PIECE * score, 3)) for owner, score in found]
    return []


def _by_looks(index: Index, words: Sequence[str], kind: Kind, most: int) -> list[Candidate]:
    form = " ".join(words)
    if len(form) < SHORTEST:
        return []
    of_kind, terminology = rules(kind), index.terminology
    mention = of_kind.loose(words)
    best: dict[int, float] = {}
    for place, cosine in index.grams.nearest(form, LOOKED_AT):
        name = forms.words(terminology.names[place])
        share = covered(of_kind.loose(name), mention)
        likely = cosine * share
        if share >= COVERED and likely >= LIKELY and not of_kind.says_more(name, words):
            owner = int(terminology.owners[place])
            best[owner] = max(best.get(owner, 0.0), round(BY_LOOKS[0] + BY_LOOKS[1] * likely, 3))
    ranked = sorted(best.items(), key=lambda item: (-item[1], len(terminology.names[item[0]]), item[0]))
    return [Candidate(owner, score) for owner, score in ranked[:most]]


def _ranked(
    index: Index, hits: Sequence[int], words: Sequence[str], scale: float, most: int
) -> list[Candidate]:
    """Codes of names. Of those with one score the name that shares most words first, then the shortest."""
    terminology, wanted = index.terminology, set(words)
    best: dict[int, tuple[float, float]] = {}
    for hit in hits:
        owner, found = int(terminology.owners[hit]), set(forms.words(terminology.names[hit]))
        shared = len(found & wanted) / max(1, len(found | wanted))
        score = round(BY_KIND[int(terminology.kinds[hit])] * scale, 3)
        best[owner] = max(best.get(owner, (0.0, 0.0)), (score, shared))
    ranked = sorted(
        best.items(),
        key=lambda item: (-item[1][0], -item[1][1], len(terminology.names[item[0]]), item[0]),
    )
    return [Candidate(owner, score) for owner, (score, _) in ranked[:most]]
