"""What users' attributes say of how something is asserted, on the four axes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from models.corpora.raw import RawDocument, RawSpan
from models.corpora.scheme import OPEN, Axes, axes
from models.types import AXES

_POSSIBLE = ("positivePossible", "neutralPossible", "negativePossible")
SYNONYMS: dict[str, tuple[str, ...]] = {
    **{value.lower(): (value,) for values in AXES.values() for value in values},
    "present": ("positive",), "affirmed": ("positive",), "pos": ("positive",),
    "absent": ("negative",), "negated": ("negative",), "negation": ("negative",), "neg": ("negative",),
    "possible": _POSSIBLE, "speculated": _POSSIBLE, "speculation": _POSSIBLE, "uncertain": _POSSIBLE,
    "uncertainty": _POSSIBLE, "hedged": _POSSIBLE,
    "maybepos": ("positivePossible",), "maybeneg": ("negativePossible",),
    "historical": ("past",), "history": ("past",),
    "familyhistory": ("other",), "associatedwithsomeoneelse": ("other",),
}  # fmt: skip
"""By name in small letters: values of one axis. As i2b2 2010, ConText, PHEE and MACCROBAT call them."""
_USUAL = frozenset(values[0] for values in AXES.values())
"""What is so where nobody says anything: never denied by silence."""
_YES, _NO = ("", "true", "yes", "1"), ("false", "no", "0")


def read_attribute(name: str, value: str) -> frozenset[str] | None:
    """The flag that an attribute is, if any; None for one that says nothing of assertion.

    `Negated` without a value is one, as are `Certainty negative` and `Polarity NEG`.
    """
    name, value = _plain(name), value.strip().lower()
    flag = name if value in (*_YES, *_NO) else _plain(value)
    said = SYNONYMS.get(flag)
    if said is None or (name in AXES and said[0] not in AXES[name]) or (flag == "none" and name not in AXES):
        return None
    return frozenset() if value in _NO else frozenset({flag})


def read_value(axis: str, value: str) -> frozenset[str] | None:
    """The values of an axis that a word stands for; None for none of them."""
    said = SYNONYMS.get(_plain(value))
    return frozenset(said) if said and said[0] in AXES.get(axis, ()) else None


def _plain(name: str) -> str:
    return "".join(character for character in name if character.isalpha()).lower()


def used_flags(documents: Iterable[RawDocument]) -> Mapping[str, frozenset[str]]:
    """By label, the flags that any of its spans has: of the others, silence says the contrary."""
    used: dict[str, frozenset[str]] = {}
    for document in documents:
        for span in document.spans or ():
            if span.flags:
                used[span.label] = used.get(span.label, frozenset()) | span.flags
    return used


def span_axes(span: RawSpan, used: Mapping[str, frozenset[str]]) -> Axes:
    """What is spelled out, else what its flags say, else what is left by the flags that it does not have."""
    flagged = {value for flag in span.flags for value in SYNONYMS[flag]}
    unflagged = used.get(span.label, frozenset()) - span.flags
    denied = {value for flag in unflagged for value in SYNONYMS[flag]} - _USUAL
    pinned: set[str] = set()
    for values in OPEN:
        pinned |= (span.values & values) or (flagged & values) or (values - denied)
    return axes(*pinned)


def contrasts(judged: Iterable[Axes]) -> Mapping[str, tuple[str, ...]]:
    """The axes on which spans differ, with the values that any of them may have there."""
    seen: list[Counter[frozenset[str]]] = [Counter() for _ in OPEN]
    for own in judged:
        for counter, left, full in zip(seen, own, OPEN, strict=True):
            if left != full:
                counter[left] += 1
    return {
        axis: tuple(value for value in values if any(value in left for left in counter))
        for (axis, values), counter in zip(AXES.items(), seen, strict=True)
        if len(counter) > 1
    }


def only(judged: Axes, labelled: Iterable[str]) -> Axes:
    """The axes that are labelled; the others are left open."""
    kept = set(labelled)
    first, second, third, fourth = (
        left if axis in kept else full for axis, left, full in zip(AXES, judged, OPEN, strict=True)
    )
    return first, second, third, fourth
