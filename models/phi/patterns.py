"""What identifies by its form: dates, addresses on the net, phones, identifiers with a label or check digits.

Method: HIPAA's safe-harbour list (45 CFR 164.514(b)(2)(i)); check digits by the standard of each number.
Every expression is bounded, so that a text of n characters takes O(n).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.phi import checks
from models.phi.dates import find_dates
from models.phi.found import Found, apart
from models.phi.labels import fax_before, label_before
from models.phi.nets import find_nets
from models.types import Span

_EXTENSION = r"(?:,?\s?(?i:x|ext\.?|extension)\s?\d{1,6})?"
_CALL = re.compile(rf"\d(?<![\w.-].)(?:[ .()/-]{{0,2}}\d){{5,14}}{_EXTENSION}(?![\w-]|\.\d)")
_US_CALL = re.compile(
    r"(?:(?:\+?1|001)[-. ]?)?(?:\([2-9]\d\d\)[ -]?|[2-9]\d\d[-. /])[2-9]\d\d[-. ]\d{4}" + _EXTENSION
)
_VALUE = re.compile(r"\d[\dA-Za-z-]{0,60}\d")
_MORE = re.compile(r"(?: \d{3,4}){1,3}(?![\w-])")
_POSTAL = re.compile(
    r"(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d"
    r"|\d{3,5}(?:[ -](?:\d{2,4}|[A-Z]{2}))?)\b"
)
_SSN = re.compile(r"\d(?<![\w#-].)\d\d([- ])\d\d\1\d\d\d\d(?![\w-]|\.\d)")
_CARD = re.compile(r"\d(?<![\w.-].)(?:[ -]?\d){11,18}(?![\w-]|\.\d)")
_IBAN = re.compile(r"[A-Z](?<![\w-].)[A-Z]\d\d(?: [A-Z0-9]{1,4}){3,8}(?![\w-])")
_ZIP = re.compile(r"\d(?<![\w.-].)\d\d\d\d(?:-\d{4})?(?![\w-])")
_PLATE = re.compile(
    r"[LlPp](?<!\w.)(?:icen[sc]e\s[Pp]late(?:\s(?:number|no\.?|#))?|late(?:\s?(?:number|no\.?|#))?)"
    r"(?:\s?:|\sis|\swas)?\s{1,2}(?P<value>[A-Z0-9]{1,4}(?:[ -]?[A-Z0-9]{1,5}){1,2})\b(?![.-]\d)"
)
"""An orthopaedic plate has sizes and levels behind it, but no three digits and two capitals."""
STATES = frozenset(
    ("AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY",
     "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND",
     "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "DC",
     "PR")
)  # fmt: skip
_UNITS = re.compile(r"\s?(?:mg|mcg|g|kg|ml|mL|cc|units?|mmHg|%|cm|mm|lbs?|days?|weeks?|months?|years?)\b")


def find(text: str) -> tuple[Found, ...]:
    """What the forms find, in the order of the text, none over another."""
    found = [*find_dates(text), *find_nets(text)]
    for part in (_calls, _values, _numbers, _plates):
        found += part(text)
    return tuple(apart(found))


def _calls(text: str) -> Iterator[Found]:
    """Phone and fax numbers: by their label, by the plan of North America, or by a plus sign in front."""
    for match in _CALL.finditer(text):
        start = match.start() - (match.start() > 0 and text[match.start() - 1] in "(+")
        label = label_before(text, start)
        number = text[start : match.end()]
        abroad = number[0] == "+" and sum(map(str.isdigit, number)) >= 8
        if label and label.category in ("FAX", "PHONE"):
            yield Found(Span(start, match.end()), label.category, 0.97)
        elif _US_CALL.fullmatch(number) or (abroad and not (start and text[start - 1].isalnum())):
            yield Found(Span(start, match.end()), "FAX" if fax_before(text, start) else "PHONE", 0.94)


def _values(text: str) -> Iterator[Found]:
    """Identifiers in one word: by the words in front of them, or by their check digits."""
    for match in _VALUE.finditer(text):
        start, end = _word(text, match.start(), match.end())
        value = text[start:end]
        category = _checked(value)
        if category:
            yield Found(Span(start, end), category, 0.95)
        label = label_before(text, start)
        if label and label.category == "ZIP":
            yield from _postal(text, start)
        elif label and not _UNITS.match(text, end) and label.names(value):
            more = _MORE.match(text, end) if value.isdigit() else None
            yield Found(Span(_with_hash(text, start), more.end() if more else end), label.category, 0.96)


def _word(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the word around a number begins and ends: letters, digits, and hyphens between them."""
    low, high = max(0, start - 20), min(len(text), end + 20)
    while start > low and (text[start - 1].isalnum() or text[start - 1] == "-"):
        start -= 1
    while end < high and (text[end].isalnum() or text[end] == "-"):
        end += 1
    word = text[start:end]
    return start + len(word) - len(word.lstrip("-")), end - len(word) + len(word.rstrip("-"))


def _with_hash(text: str, start: int) -> int:
    """A `#` belongs to the number where a space parts it from the label."""
    hashed = start > 1 and text[start - 1] == "#" and text[start - 2].isspace()
    return start - hashed


def _checked(value: str) -> str | None:
    """What a word is whose check digits hold."""
    if len(value) == 9 and checks.dea(value):
        return "LICENSE"
    if len(value) == 17 and checks.vin(value):
        return "VEHICLE"
    return "ACCOUNT" if len(value) > 14 and value[:2].isalpha() and checks.iban(value) else None


def _postal(text: str, start: int) -> Iterator[Found]:
    match = _POSTAL.match(text, start)
    if match:
        yield Found(Span(*match.span()), "LOCATION", 0.96)


def _numbers(text: str) -> Iterator[Found]:
    """Numbers with spaces in them whose form or check digits say what they are, and ZIPs behind a state."""
    for match in _SSN.finditer(text):
        if checks.social_security(match[0][:3], match[0][4:6], match[0][7:]):
            yield Found(Span(*match.span()), "SSN", 0.95)
    for match in _CARD.finditer(text):
        if checks.payment_card("".join(filter(str.isdigit, match[0]))):
            yield Found(Span(*match.span()), "ACCOUNT", 0.95)
    for match in _IBAN.finditer(text):
        if checks.iban(match[0]):
            yield Found(Span(*match.span()), "ACCOUNT", 0.97)
    for match in _ZIP.finditer(text):
        before = text[max(0, match.start() - 5) : match.start()].rstrip(" ,").rpartition(" ")[2]
        if before in STATES and text[match.start() - 1] == " ":
            yield Found(Span(*match.span()), "LOCATION", 0.95)


def _plates(text: str) -> Iterator[Found]:
    for match in _PLATE.finditer(text):
        value = match["value"]
        if sum(map(str.isdigit, value)) > 2 and (sum(map(str.isupper, value)) > 1 or "icen" in match[0]):
            yield Found(Span(*match.span("value")), "VEHICLE", 0.93)
