"""Forms of a name under which its spellings are one: case, accents, Greek letters, punctuation, plural,
possessive, British or American, Roman or Arabic, word order.

A form is a key and never shown: what matters is that spellings of one name meet in it, and names of two
things do not. So "ae" becomes "e" everywhere, and nobody minds that "aerosol" becomes "erosol".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

_GREEK = {
    "α": " alpha ", "β": " beta ", "γ": " gamma ", "δ": " delta ", "ε": " epsilon ", "κ": " kappa ",
    "λ": " lambda ", "μ": " mu ", "µ": " mu ", "σ": " sigma ", "τ": " tau ", "ω": " omega ", "’": "'",
    "‘": "'", "ø": "o", "ß": "ss", "ł": "l", "đ": "d",
}  # fmt: skip
_TO_PLAIN = str.maketrans(_GREEK)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_WORD_OR_END = re.compile(r"[^\W\d_]+|\d+|\n")
_COMBINING = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_POSSESSIVE = re.compile(r"'s?(?![^\W_])")
_DROPPED = frozenset({"of", "the", "a", "an", "in", "to", "on"})
_ROMAN = {
    "ii": "2",
    "iii": "3",
    "iv": "4",
    "vi": "6",
    "vii": "7",
    "viii": "8",
    "ix": "9",
    "xi": "11",
    "xii": "12",
}
_SHORT_ROMAN = {"i": "1", "v": "5", "x": "10"}
_NUMBERED = frozenset({"type", "stage", "grade", "factor", "class", "typ", "group", "angiotensin"})
_NO_PLURAL = frozenset(
    {"disease", "case", "nose", "phrase", "base", "dose", "increase", "cause", "release", "lense"}
)

WORDS_CACHED = 1 << 16


def plain(name: str) -> str:
    """A name in lower case, one blank between words: what an exact match compares."""
    return " ".join(name.casefold().split())


def words(name: str) -> list[str]:
    """Words and numbers in their canonical spelling and order as written; none for marks alone."""
    return _kept([canonical(word) for word in _WORD.findall(_spelled(name))])


def forms_of(names: Sequence[str]) -> list[str]:
    """The `words` of each of many names, with blanks between, in half the time."""
    if any("\n" in name for name in names):
        return [" ".join(words(name)) for name in names]
    plain = [place for place, name in enumerate(names) if name.isascii()]
    others = [place for place, name in enumerate(names) if not name.isascii()]
    forms = [""] * len(names)
    for places in (plain, others):
        found = _WORD_OR_END.findall(_spelled("\n".join([names[place] for place in places])))
        found.append("\n")
        at = 0
        for place in places:
            end = found.index("\n", at)
            forms[place] = " ".join(_kept([canonical(word) for word in found[at:end]]))
            at = end + 1
    return forms


def _spelled(text: str) -> str:
    """In lower case, without accents and possessives."""
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_TO_PLAIN))
        text = _COMBINING.sub("", text)
    return _POSSESSIVE.sub("", text) if "'" in text else text


def _kept(found: list[str]) -> list[str]:
    if not _DROPPED.isdisjoint(found):
        found = [word for word in found if word not in _DROPPED] or found
    if not _SHORT_ROMAN.keys().isdisjoint(found):
        for place, word in enumerate(found):
            if word in _SHORT_ROMAN and place and found[place - 1] in _NUMBERED:
                found[place] = _SHORT_ROMAN[word]
    return found


def key(of: Iterable[str]) -> str:
    """Words in any order."""
    return " ".join(sorted(of))


@lru_cache(WORDS_CACHED)
def canonical(word: str) -> str:
    """One word in lower case: singular, American, Arabic."""
    if word in _ROMAN:
        return _ROMAN[word]
    word = singular(word)
    for british, american in (("ae", "e"), ("oe", "e"), ("ph", "f"), ("isat", "izat"), ("leuc", "leuk")):
        word = word.replace(british, american)
    if len(word) > 4:
        word = word.replace("our", "or").removesuffix("e")
    return word


def singular(word: str) -> str:
    """By its ending alone; not always a word, but the same for both numbers."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word[:-2] if word.endswith("mata") else word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    if word.endswith("uses"):
        return word[:-2]
    if word.endswith(("oses", "ases", "yses", "eses", "ises")) and word[:-1] not in _NO_PLURAL:
        return word[:-2] + "is"
    return word[:-1]
