"""Where sentences and list items end: by rule, in time linear in the text."""

from __future__ import annotations

import re

from models.types import Span

LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
_END = re.compile(
    rf"""[.!?{LINE_BREAKS}]"""
    rf"""(?:(?<=[.!?])["'”’)\]]{{0,3}}(?:,(?=[A-Z0-9])|[ \t\xa0]+)|(?<=[{LINE_BREAKS}])\s*)"""
)
"""One set of characters comes first, so that the search can run to the next of them."""
_BLANK_LINE = re.compile(f"[{LINE_BREAKS}][^{LINE_BREAKS}]*[{LINE_BREAKS}]")
_MARKS = ".!?"
_LAST_WORD = re.compile(r"[^\s(\[,;:/]*$")
_ITEM = re.compile(r"[-*•·–—◦▪>#]|\(?(?:\d{1,3}|[A-Za-z])[.)](?=\s)")
_NEVER_ENDS = frozenset((
    "dr", "mr", "mrs", "ms", "prof", "st", "vs", "e.g", "i.e", "eg", "cf", "approx", "pt", "dept",
    "fig", "figs", "vol", "al", "jr", "sr", "mt", "ft",
))  # fmt: skip
_RARELY_ENDS = frozenset((
    "b.i.d", "t.i.d", "q.i.d", "q.d", "q.h.s", "q.o.d", "q.h", "p.o", "p.r.n", "p.m", "a.m", "i.v",
    "i.m", "s.c", "a.c", "p.c", "etc", "inc", "ltd",
))  # fmt: skip
_NUMBERED = frozenset(("no", "nos"))
_WRAPPED_FROM = 50
"""A line at least this long without an end mark goes on in the next line."""


def sentences(text: str, start: int, end: int) -> list[Span]:
    """Sentences and list items of `text[start:end]`, trimmed of outer white space, in order.

    Every character that is no white space lies in exactly one. A hard-wrapped line does not end a sentence, a
    blank line and a list item do; neither abbreviations, decimals nor list numbers end one.
    """
    found: list[Span] = []
    begin = line = start
    for match in _END.finditer(text, start, end):
        at, after = match.span()
        if text[at] in _MARKS:
            ends = _mark_ends(text, at, after, begin, end)
        else:
            ends = _break_ends(text, line, at, after, end)
            line = after
        if ends:
            _add(found, text, begin, after)
            begin = after
    _add(found, text, begin, end)
    return found


def _add(found: list[Span], text: str, start: int, end: int) -> None:
    words = text[start:end].rstrip()
    end = start + len(words)
    start = end - len(words.lstrip())
    if start < end:
        found.append(Span(start, end))


def _mark_ends(text: str, at: int, after: int, begin: int, end: int) -> bool:
    following = text[after : after + 1] if after < end else ""
    if not following or following in LINE_BREAKS:
        return False  # the line break or the text's end decides
    if text[at] != ".":
        return not following.islower()
    return not following.islower() and not _abbreviates(text, at, begin, text[after : after + 2])


def _abbreviates(text: str, at: int, begin: int, following: str) -> bool:
    """Whether the full stop at `at` belongs to the word before it rather than to the sentence."""
    before = _LAST_WORD.search(text[max(begin, at - 16) : at])
    word = before[0].lower() if before else ""
    if word.isdigit():
        lead = text[max(begin, at - len(word) - 4) : at - len(word)].rstrip()
        return not lead or lead[-1] in ":;"  # "1." opens a list item
    if word in _NUMBERED:
        return following[:1].isdigit()
    if word in _RARELY_ENDS:
        return not (following[:1].isupper() and following[1:2].islower())
    return word in _NEVER_ENDS or (len(word) == 1 and word.isalpha() and word != "i")


def _break_ends(text: str, line: int, at: int, after: int, end: int) -> bool:
    """Whether the line break at `at` ends a sentence; `line` is where its line starts."""
    if blank_line(text[at:after]) or after >= end or _ITEM.match(text, after, end):
        return True
    written = text[line:at].rstrip()
    unquoted = written.rstrip("\"'”’)]")
    if unquoted.endswith(("!", "?")):
        return True
    if unquoted.endswith("."):
        return not _abbreviates(text, line + len(unquoted) - 1, line, text[after : after + 2])
    if written.endswith(","):
        return False
    return not (len(written) >= _WRAPPED_FROM or (text[after].islower() and len(written) >= 30))


def blank_line(gap: str) -> bool:
    """Whether white space between two sentences holds a blank line."""
    return len(gap) > 1 and _BLANK_LINE.search(gap.replace("\r\n", "\n")) is not None
