"""Dates in the usual written forms, and ages over 89. A year alone is neither (45 CFR 164.514(b)(2)(i)(C)).

Every expression begins with a class of signs, and looks behind only after it: the scanner skips what cannot
begin one, which makes it several times faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.phi.found import Found
from models.types import Span

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NUMBERS = {name: at for at, name in enumerate(MONTHS, 1)}
NUMBERS |= {name[:3]: at for name, at in NUMBERS.items()} | {"sept": 9}

_REST = (
    r"(?i:an(?:uary)?|eb(?:ruary)?|ar(?:ch)?|pr(?:il)?|ay|une?|uly?|ug(?:ust)?|ep(?:t(?:ember)?)?|ct(?:ober)?"
    r"|ov(?:ember)?|ec(?:ember)?)"
)
_MONTH = rf"(?P<month>[JFMASONDjfmasond]{_REST})"
_FIRST_MONTH = rf"(?P<month>[JFMASONDjfmasond](?<![\w.-].){_REST})"
_DAY = r"(?P<day>[0-3]?\d)(?i:st|nd|rd|th)?"
_FIRST_DAY = r"(?P<day>\d(?<![\w/.-].)\d?)(?i:st|nd|rd|th)?"
_NUMBER = r"(?P<number>\d(?<![\w/.-].)\d?)"
_YEAR = r"(?P<year>(?:18|19|20)\d\d|['’]\d\d)"
_NUMERIC = [
    re.compile(form + r"(?![\w/-]|\.\d)")
    for form in (
        r"(?P<year>[12](?<![\w/.].)[089]\d\d)(?P<joint>[-/.])(?P<number>[01]?\d)(?P=joint)(?P<day>[0-3]?\d)"
        r"(?:[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?Z?)?",
        rf"{_NUMBER}(?P<joint>[-/.])(?P<day>[0-3]?\d)(?P=joint)(?P<year>(?:18|19|20)\d\d)",
        rf"{_NUMBER}/(?P<day>[0-3]?\d)/(?P<year>\d\d)",
    )
]
_RANGE = re.compile(
    r"(?P<first>\d(?<![\w/.-].)\d?/\d\d?(?:/(?:(?:19|20)\d\d|\d\d))?)(?P<joint>[-–])"
    r"(?P<last>\d\d?/\d\d?/(?:(?:19|20)\d\d|\d\d))(?![\w/-]|\.\d)"
)
"""Two dates with a dash between; the first may leave its year to the second."""
_NO_UNIT = r"(?!\s?(?:mg|mcg|mL|ml|g|kg|cm|mm|units?|percent)\b|\s?%|[\d/.-]*\d)"
_MONTH_AND_NUMBER = re.compile(rf"{_FIRST_MONTH}\b\.?,?\s{{1,2}}(?:of\s)?['’\d]")
_MONTH_FIRST = [
    re.compile(rf"{_MONTH}\b\.?\s{{1,2}}{_DAY}(?:,\s{{0,2}}|\s{{1,2}}){_YEAR}(?!\w)"),
    re.compile(rf"{_MONTH}\b\.?,?\s{{1,2}}(?:of\s)?{_YEAR}(?!\w)"),
]
_DAY_FIRST = [
    re.compile(rf"{_FIRST_DAY}\s{{0,2}}(?:of\s)?-?{_MONTH}\b\.?,?\s{{0,2}}-?{_YEAR}(?!\w)"),
    re.compile(rf"(?P<day>[0-3](?<![\w/.-].)\d)-?{_MONTH}-?(?P<year>(?:19|20)\d\d|\d\d)(?!\w)"),
]
_MONTH_AND_DAY = re.compile(rf"{_MONTH}\s{_DAY}\b{_NO_UNIT}")
_DAY_AND_MONTH = re.compile(rf"{_FIRST_DAY}\s(?:of\s)?{_MONTH}\b{_NO_UNIT}")
_AGES = (
    re.compile(
        r"(?P<age>[19](?<![\w./-].)\d\d?)(?=\s?-?\s?(?:years?\b[\s-]{0,2}(?:old|of\sage)\b|y\.?\s?/?o\b|yrs?\b))"
    ),
    re.compile(
        r"[AaTt](?<!\w.)(?:ged?|GED?|ge/[Ss]ex|GE/SEX|urned)\b:?\s{1,3}(?:of\s|is\s)?(?P<age>[19]\d\d?)"
        r"(?![\w/%]|\.\d|\s?(?:%|mg|months?\b|degrees?\b))"
    ),
)


def find_dates(text: str) -> Iterator[Found]:
    """Dates with a year, with the seconds behind an ISO one; days of a month spelled out; ages over 89."""
    for match in _candidates(text):
        if "year" in match.groupdict():
            if _exists(match):
                yield Found(Span(*match.span()), "DATE", 0.97)
        elif match["month"].istitle() and match["month"].lower() in MONTHS and _exists(match):
            yield Found(Span(*match.span()), "DATE", 0.9)
    yield from _ranges(text)
    for pattern in _AGES:
        for match in pattern.finditer(text):
            if 90 <= int(match["age"]) < 125:
                yield Found(Span(*match.span("age")), "AGE", 0.95)


def _ranges(text: str) -> Iterator[Found]:
    for match in _RANGE.finditer(text):
        days = [list(map(int, match[end].split("/")[:2])) for end in ("first", "last")]
        if all(_fits(number, day) or _fits(day, number) for number, day in days):
            yield from (Found(Span(*match.span(end)), "DATE", 0.96) for end in ("first", "last"))


def _candidates(text: str) -> Iterator[re.Match[str]]:
    for pattern in (*_NUMERIC, *_DAY_FIRST, _DAY_AND_MONTH):
        yield from pattern.finditer(text)
    for month in _MONTH_AND_NUMBER.finditer(text):
        for pattern in (*_MONTH_FIRST, _MONTH_AND_DAY):
            match = pattern.match(text, month.start())
            if match:
                yield match


def _exists(match: re.Match[str]) -> bool:
    """Whether the calendar has the day, in one order of day and month or the other."""
    parts = match.groupdict()
    day = int(parts.get("day") or 1)
    if "month" in parts:
        return _fits(NUMBERS.get(parts["month"].lower(), 0), day)
    number = int(parts["number"])
    return _fits(number, day) or _fits(day, number)


def _fits(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= LONGEST[month - 1]
