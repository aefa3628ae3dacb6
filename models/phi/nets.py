"""Addresses on the net: of mail boxes, of pages, of machines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from models.phi import checks
from models.phi.found import Found
from models.types import Span

LONGEST_LOCAL, LONGEST_HOST = 64, 253
"""Characters in front of the `@`, and of a host's name (RFC 5321, RFC 1035)."""
_URL = re.compile(r"(?:[hHfF](?<!\w.)(?i:ttps?|tp)://|[wW](?<![\w./@-].)[wW][wW]\.)[^\s<>\"'|{}\\^`]{3,2000}")
_SUFFIX = re.compile(r"\.(?:com|org|net|edu|gov|info|io)(?![\w@-]|\.\w)(?:/[^\s<>\"'|]{0,500})?")
_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_IPV4 = re.compile(r"\d(?<![\w.-].)\d{0,2}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"[0-9A-Fa-f:](?<![\w:.].)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?![\w:])")
_IN_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
_IN_LOCAL = _IN_HOST | frozenset("_%+")


def find_nets(text: str) -> Iterator[Found]:
    """E-mail addresses, URLs with a scheme, `www.` or a usual ending, IPv4 and IPv6 addresses."""
    yield from _emails(text)
    small = text.lower()
    if "://" in small or "www." in small:
        for match in _URL.finditer(text):
            yield _page(text, match.start(), match.end())
    for match in _SUFFIX.finditer(text):
        start = _back(text, match.start(), _IN_HOST, LONGEST_HOST, "-.")
        if match.start() - start > 1 and text[start - 1 : start] not in ("@", "/") and text[start].isalnum():
            yield _page(text, start, match.end())
    yield from _machines(text, _IPV4, checks.ipv4)
    if "::" in text or text.count(":") > 6:
        yield from _machines(text, _IPV6, checks.ipv6)


def _machines(text: str, form: re.Pattern[str], holds: Callable[[str], bool]) -> Iterator[Found]:
    for match in form.finditer(text):
        if holds(match[0]):
            yield Found(Span(*match.span()), "IP_ADDRESS", 0.98)


def _page(text: str, start: int, end: int) -> Found:
    """A URL without the punctuation of the sentence around it."""
    return Found(Span(start, start + len(text[start:end].rstrip(".,;:!?)]"))), "URL", 0.98)


def _emails(text: str) -> Iterator[Found]:
    at = text.find("@")
    while at >= 0:
        start = _back(text, at, _IN_LOCAL, LONGEST_LOCAL, ".-%+")
        host = _HOST.match(text, at + 1)
        if host and start < at and host[0].rpartition(".")[2].isalpha():
            yield Found(Span(start, host.end()), "EMAIL", 0.99)
        at = text.find("@", at + 1)


def _back(text: str, end: int, signs: frozenset[str], most: int, no_begin: str) -> int:
    """Where the run of signs that ends at `end` begins, `most` signs before at the utmost."""
    start = end
    while start and end - start < most and text[start - 1] in signs:
        start -= 1
    return start + len(text[start:end]) - len(text[start:end].lstrip(no_begin))
