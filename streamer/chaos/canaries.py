"""Strings that are planted in notes, keys and headers, and must be found nowhere outside of records."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote

NAME = "Zebulon Quackenbush"
RECORD_NUMBER = "MRN-77410932-QX"
BIRTHDAY = "1931-02-29"
KEY = "patient-key-zq-5521"
HEADER = "header-of-zq-8813"
ALL: Mapping[str, str] = {
    "name": NAME,
    "record number": RECORD_NUMBER,
    "date": BIRTHDAY,
    "key": KEY,
    "header": HEADER,
}


@cache
def forms(canary: str) -> tuple[bytes, ...]:
    """Plain, percent-encoded, hex, and the parts of base64 that are the same whatever stands around it."""
    plain = canary.encode()
    found = {plain, quote(canary).encode(), canary.replace(" ", "+").encode(), plain.hex().encode()}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + plain)
        found.add(coded[(before * 8 + 5) // 6 :].rstrip(b"=")[:-1])  # the ends mix with neighbours
    return tuple(form.lower() for form in found)


def found_in(data: bytes) -> list[str]:
    """The kinds of canary, by their names in `ALL`, that are in it in any form. Case does not count."""
    lower = data.lower()
    return [kind for kind, canary in ALL.items() if any(form in lower for form in forms(canary))]


def sweep(pieces: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where canaries were found, in words that do not quote them."""
    return [f"a {kind} in {where}" for where, data in pieces for kind in found_in(data)]


def files(folder: Path) -> Iterable[tuple[str, bytes]]:
    """Every file below the folder, by its name; what vanishes meanwhile is passed by."""
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                yield path.name, path.read_bytes()
        except OSError:
            continue
