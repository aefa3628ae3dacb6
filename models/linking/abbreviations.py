"""What abbreviations stand for in a note that says it: "renal cell carcinoma (RCC)", or the other way round.

Method: Schwartz and Hearst (2003), "A simple algorithm for identifying abbreviation definitions in biomedical
text": the letters of the short form are found in the words before it, from the last to the first, and its
first letter must begin a word. Beyond that: a mention right before brackets that hold nothing but another,
short one says what that one means, whatever its letters.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from models.types import Span

SHORTEST, LONGEST = 2, 12
"""Characters of a short form."""
FARTHEST = 200
"""Characters of a long form at most."""

_BRACKETS = re.compile(r"[(\[]([^()\[\]\n]{1,200})[)\]]")
_SHORT = re.compile(r"[^\W_](?:[\w+/.'-]*(?: [\w+/.'-]+)?)")
_BREAK = re.compile(r"[\n;:()\[\]]|[.!?](?=\s)")
_WORDS = re.compile(r"\S+")
_LAST_WORD = re.compile(r"(\S+)\s*\Z")
_PART = re.compile(r"[^\s/&]+")
_OPENING = re.compile(r"\s?[(\[]\s?")
_CLOSING = re.compile(r"\s?[)\],;:]")
_MARKS = " \t'\"“”"


class Definition(NamedTuple):
    """Where a note says what an abbreviation means."""

    short: Span
    long: Span


def definitions(text: str, mentions: Sequence[Span] = ()) -> dict[str, str]:
    """Long form by short form, as written; of several for one the first. Spans may be any. Time
    grows with the length of the text."""
    inside = [span for span in mentions if 0 <= span.start < span.end <= len(text)]
    found: dict[str, str] = {}
    for short, long in sorted([*appositions(text, inside), *defined(text, inside)], key=_by_place):
        found.setdefault(text[short.start : short.end], text[long.start : long.end])
    return found


def _by_place(definition: Definition) -> Span:
    return definition.short


def defined(text: str, mentions: Sequence[Span] = ()) -> Iterator[Definition]:
    """By the letters of the short form; several in one pair of brackets by those of mentions before it."""
    ordered = sorted(mentions, key=lambda span: span.end)
    ends = [span.end for span in ordered]
    for brackets in _BRACKETS.finditer(text):
        before = _before(text, brackets.start())
        inner = _until_comma(text, brackets)
        near = ordered[bisect_left(ends, before.start) : bisect_right(ends, before.end)]
        several = list(_among(text, list(_several(text, inner)), near))
        if several:
            yield from several
            continue
        if _is_short(text[inner.start : inner.end]):
            words = list(_WORDS.finditer(text, before.start, before.end))[-_most_words(inner) :]
            long = _long_form(text, inner, Span(words[0].start(), before.end)) if words else None
            if long is not None:
                yield Definition(inner, long)
                continue
        yield from _reversed(text, before, brackets)


def _among(text: str, shorts: Sequence[Span], mentions: Sequence[Span]) -> Iterator[Definition]:
    for short in shorts:
        for mention in reversed(mentions):
            long = _long_form(text, short, mention)
            if long is not None and long.start == mention.start:
                yield Definition(short, mention)
                break


def _reversed(text: str, before: Span, brackets: re.Match[str]) -> Iterator[Definition]:
    """The short form first, what it means in brackets."""
    last = _LAST_WORD.search(text, before.start, before.end)
    if last is not None and _is_short(last[1]):
        short, whole = Span(last.start(1), last.end(1)), _stripped(text, *brackets.span(1))
        long = _long_form(text, short, whole)
        if long is not None and long.start == whole.start:
            yield Definition(short, long)


def appositions(text: str, mentions: Sequence[Span]) -> Iterator[Definition]:
    """A mention, and in brackets after it another that is short and not written as a word: "dopamine (D)"."""
    starts = {span.start: span for span in mentions}
    for span in mentions:
        opening = _OPENING.match(text, span.end)
        short = starts.get(opening.end()) if opening else None
        if short is None or len(short) > LONGEST or len(short) >= len(span):
            continue
        if _is_marked(text[short.start : short.end]) and _CLOSING.match(text, short.end):
            yield Definition(short, span)


def _until_comma(text: str, brackets: re.Match[str]) -> Span:
    ends = [place for mark in ",;=:" if (place := brackets[1].find(mark)) > 0]
    start = brackets.start(1)
    return _stripped(text, start, start + min(ends, default=len(brackets[1])))


def _several(text: str, inner: Span) -> Iterator[Span]:
    """The short forms of "DMD/BMD", "CPA or EE"; none of what is one."""
    parts = list(_PART.finditer(text, inner.start, inner.end))
    forms = [part for part in parts if part[0] not in ("or", "and", "plus")]
    if len(forms) > 1 and all(_is_short(part[0]) and _is_marked(part[0]) for part in forms):
        yield from (Span(*part.span()) for part in forms)


def _stripped(text: str, start: int, end: int) -> Span:
    while start < end and text[start] in _MARKS:
        start += 1
    while start < end and text[end - 1] in _MARKS:
        end -= 1
    return Span(start, end)


def _before(text: str, end: int) -> Span:
    """What stands before brackets in the same sentence, without the blanks at its end."""
    start = max(0, end - FARTHEST)
    for mark in _BREAK.finditer(text, start, end):
        start = mark.end()
    return _stripped(text, start, end)


def _is_short(form: str) -> bool:
    return (
        SHORTEST <= len(form) <= LONGEST
        and _SHORT.fullmatch(form) is not None
        and any(sign.isalpha() for sign in form)
    )


def _is_marked(form: str) -> bool:
    """Not written as a word is."""
    return any(sign.isupper() or sign.isdigit() for sign in form[1:]) or (
        len(form) < 4 and form[:1].isupper()
    )


def _most_words(short: Span) -> int:
    return min(len(short) + 5, 2 * len(short))


def _long_form(text: str, short: Span, within: Span) -> Span | None:
    """The shortest end of `within` with the letters of `short` in order, the first at the start of a word."""
    at = within.end
    for place in range(short.end - 1, short.start - 1, -1):
        sign = text[place].lower()
        if not sign.isalnum():
            continue
        at -= 1
        first = place == short.start
        while at >= within.start and (text[at].lower() != sign or (first and _inside_word(text, within, at))):
            at -= 1
        if at < within.start:
            return None
    long = Span(at, within.end)
    written, abbreviation = text[long.start : long.end], text[short.start : short.end]
    too_short = len(long) <= len(short) or abbreviation.lower() in written.lower().split()
    return None if too_short else long


def _inside_word(text: str, within: Span, at: int) -> bool:
    return at > within.start and text[at - 1].isalnum()
