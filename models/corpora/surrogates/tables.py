"""The tables beside this module: names, places, words, forms of numbers, and templates with slots."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent

Kinds = Mapping[str, tuple[str, ...]]


def _lines(name: str) -> list[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


@cache
def templates(name: str) -> tuple[str, ...]:
    """The templates of a file, one a line; a line break in a template is written as `\\n`."""
    return tuple(line.replace("\\n", "\n") for line in _lines(f"{name}.txt"))


@cache
def _kinds(name: str) -> Kinds:
    rows = (line.split("\t") for line in _lines(name))
    return {kind: tuple(rest) for kind, *rest in rows}


def words(kind: str) -> tuple[str, ...]:
    """The words of one kind in words.tsv."""
    return _kinds("words.tsv")[kind]


def forms(kind: str) -> tuple[str, ...]:
    """The forms of one kind of number or date in forms.tsv."""
    return _kinds("forms.tsv")[kind]


@cache
def _by_locale(name: str) -> Mapping[str, Kinds]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in _lines(name):
        locale, kind, *rest = line.split("\t")
        kinds = found.setdefault(locale, {})
        kinds[kind] = kinds.get(kind, ()) + tuple(rest)
    return found


def names(locale: str) -> Kinds:
    """Of a locale: names by kind, which are `female` and `male`, or `either`, and `family`."""
    return _by_locale("names.tsv")[locale]


@cache
def locales() -> tuple[str, ...]:
    """The locales that have names."""
    return tuple(locale for locale, kinds in _by_locale("names.tsv").items() if len(kinds) > 1)


@cache
def places(kind: str) -> Kinds:
    """By locale, its places of a kind (`city` or `street`)."""
    return {locale: kinds[kind] for locale, kinds in _by_locale("places.tsv").items() if kind in kinds}
