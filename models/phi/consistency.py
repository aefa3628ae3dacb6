"""What was found once in a note is found everywhere in it: parts of a name, a number, an address."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from models.phi.found import Found
from models.phi.names import TITLE, common_words
from models.types import Span

PHRASES = frozenset(("LOCATION", "ORGANIZATION"))
NUMBERS = frozenset(
    ("MRN", "SSN", "ACCOUNT", "HEALTH_PLAN_ID", "LICENSE", "VEHICLE", "DEVICE", "OTHER_ID", "PHONE", "FAX",
     "EMAIL", "URL", "IP_ADDRESS")
)  # fmt: skip
_TITLE_BEFORE = re.compile(r"(?<!\w)(?:Dr|DR|Mrs?|MRS?|Ms|MS|Miss|Prof|Professor)\b\.?[ ]{1,2}$")
_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SUFFIX = re.compile(r",? (?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|Jr|Sr|II|III|Esq)\b\.?.*$")
_EPONYM = re.compile(
    r"(?:['’]s?)?[ -]{1,2}(?i:disease|syndrome|signs?|test|catheter|lymphoma|sarcoma|carcinoma|tumou?r|palsy"
    r"|contracture|fracture|cyst|reflex|procedure|man(?:euver|oeuvre)|phenomenon|thyroiditis|esophagus|score"
    r"|scale|criteria|drain|clamp|retractor|forceps|scissors|needle|stain|monitor|nodes?|nodule|body|bodies"
    r"|lines?|tube|rings?|point|angle|position|incision|operation|repair|suture|anemia|chorea|encephalopathy"
    r"|dementia|trial|study|protocol|law|method|classification|type|grade|stage)\b"
)
"""What follows a name that a disease, a sign or a tool has, not somebody here."""


class Term(NamedTuple):
    """A text to be found elsewhere; `loose`: whatever its case."""

    text: str
    category: str
    confidence: float
    loose: bool


def everywhere(text: str, found: Sequence[Found]) -> list[Found]:
    """Other places where what was found stands, as whole words; none over what was found."""
    terms = _by_first_word(_terms(text, found))
    if not terms:
        return []
    taken = sorted((one.span.start, one.span.end) for one in found)
    new: list[Found] = []
    at = free_from = 0
    for word in _WORD.finditer(text):
        while at < len(taken) and taken[at][1] <= word.start():
            at += 1
        limit = taken[at][0] if at < len(taken) else len(text)
        if word.start() < free_from or word.start() >= limit:
            continue
        for length, known in terms.get(word[0].lower(), {}).items():
            end = word.start() + length
            term = known.get(text[word.start() : end].lower()) if end <= limit else None
            if term and _stands(text, word.start(), end, term):
                new.append(Found(Span(word.start(), end), term.category, term.confidence))
                free_from = end
                break
    new = _joined(text, new)
    if any(one.category == "NAME" and TITLE.match(text, one.span.start) for one in found):
        ends = [end for _, end in taken]
        new = [_with_title(text, one, ends) for one in new]
    return new


def _terms(text: str, found: Iterable[Found]) -> Iterator[Term]:
    for span, category, confidence in found:
        said = text[span.start : span.end]
        if category == "NAME":
            yield from (Term(part, category, confidence, True) for part in _name_parts(said))
        elif category in PHRASES and _telling(said):
            yield Term(said, category, confidence, False)
        elif (
            category in NUMBERS
            and len(said.strip("#")) > 4
            and (sum(map(str.isdigit, said)) > 2 or "@" in said)
        ):
            yield Term(said.strip("#"), category, confidence, False)


def _name_parts(said: str) -> Iterator[str]:
    """A name as a whole, and each of its words that is long enough to be told from initials."""
    title = TITLE.match(said)
    name = _SUFFIX.sub("", said[title.end() :] if title else said)
    words = _PART.findall(name)
    if len(words) > 1:
        yield name.strip()
        yield f"{words[-1]}, {words[0]}"
    for word in words:
        if len(word) > 2 and (word[0].isupper() or said.islower()):
            yield word


def _telling(said: str) -> bool:
    """Whether the words of a place or a firm say enough to be looked for: one is no common word, and long; or
    they are a number and a street."""
    words = _WORD.findall(said)
    if len(words) > 2 and words[0].isdigit() and words[1].istitle():
        return True
    return any(len(word) > 3 and word.lower() not in common_words() and not word.isdigit() for word in words)


def _by_first_word(terms: Iterable[Term]) -> dict[str, dict[int, dict[str, Term]]]:
    """By their first word in small letters, by their length, longer ones first, and by their text in small
    letters; of the same text, the surest."""
    best: dict[str, Term] = {}
    for term in terms:
        known = best.get(term.text.lower())
        if known is None or known.confidence < term.confidence:
            best[term.text.lower()] = term
    found: dict[str, dict[int, dict[str, Term]]] = {}
    for small, term in sorted(best.items(), key=lambda item: -len(item[1].text)):
        first = _WORD.match(term.text)
        if first:
            found.setdefault(first[0].lower(), {}).setdefault(len(term.text), {})[small] = term
    return found


def _stands(text: str, start: int, end: int, term: Term) -> bool:
    """Whether a term stands at a place as whole words, written as it may be."""
    said = text[start:end]
    if _inside(text, start, end):
        return False
    if term.category in NUMBERS:
        return said == term.text
    if _EPONYM.match(text, end):
        return False
    words = _WORD.findall(said)
    if all(word.lower() in common_words() for word in words):
        return said[0].isupper() and not said.isupper() and _in_a_sentence(text, start)
    return not said[0].islower() or (term.loose and (len(said) > 3 or term.text.islower()))


def _inside(text: str, start: int, end: int) -> bool:
    """Whether a word goes on in front of a place or behind it."""
    before, behind = text[start - 1 : start] if start else "", text[end : end + 1]
    return before.isalnum() or behind.isalnum() or "_" in (before, behind)


def _in_a_sentence(text: str, start: int) -> bool:
    """Whether a capital at a place says something: not where a sentence begins, nor in a heading."""
    before = text[max(0, start - 3) : start].rstrip(" ")
    return bool(before) and before[-1] not in '.!?:;\n\t-*•"(' and not before.isupper()


def _joined(text: str, new: list[Found]) -> list[Found]:
    """Parts of a name side by side as one."""
    kept: list[Found] = []
    for one in new:
        last = kept[-1] if kept else None
        between = text[last.span.end : one.span.start] if last else ""
        if last and between in (" ", ", ") and last.category == one.category == "NAME":
            sure = max(last.confidence, one.confidence)
            kept[-1] = Found(Span(last.span.start, one.span.end), "NAME", sure)
        else:
            kept.append(one)
    return kept


def _with_title(text: str, one: Found, ends: Sequence[int]) -> Found:
    """A name with the form of address in front of it, where that is in no other finding (`ends`: theirs)."""
    title = _TITLE_BEFORE.search(text, max(0, one.span.start - 12), one.span.start)
    if one.category != "NAME" or title is None:
        return one
    at = bisect_right(ends, one.span.start)
    if at and ends[at - 1] > title.start():
        return one
    return Found(Span(title.start(), one.span.end), one.category, one.confidence)
