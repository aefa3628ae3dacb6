"""The names of one terminology under each form in which a mention may meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.linking import forms
from models.linking.grams import Grams
from models.linking.rules import Kind, rules
from models.terminology import RELATED, Terminology

MEDICATION = "MEDICATION"


class Keys:
    """Which names have a key. Hashes and indices alone, 12 bytes a name; a key found is made again, to be
    sure."""

    def __init__(self, names: Sequence[str], keys: Iterable[str], key_of: Callable[[str], str]) -> None:
        """`keys`: of each of `names`, as `key_of` makes it; an empty one is none."""
        self._names, self._key_of = names, key_of
        hashes = np.fromiter(map(hash, keys), np.int64, len(names))
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        self._order: NDArray[np.int32] = order
        self._hashes = hashes[order]

    def of(self, key: str) -> list[int]:
        """Indices of the names with this key, ascending."""
        if not key:
            return []
        wanted, found = hash(key), []
        place = int(np.searchsorted(self._hashes, wanted))
        while place < len(self._hashes) and self._hashes[place] == wanted:
            index = int(self._order[place])
            if self._key_of(self._names[index]) == key:
                found.append(index)
            place += 1
        return found


class Index:
    """A terminology, ready to be searched. Takes about 8 µs a name to make. Threads may share it."""

    def __init__(self, terminology: Terminology) -> None:
        self.terminology = terminology
        names, written = terminology.names, forms.forms_of(terminology.names)
        self.exact = Keys(names, map(forms.plain, names), forms.plain)
        self.normal = Keys(names, (forms.key(each.split()) for each in written), normal)
        self.joined = Keys(names, (each.replace(" ", "") for each in written), joined)
        own = self._own(written)
        self.grams = Grams(own)
        self._loose = {kind: self._of_kind(kind, own) for kind in _kinds(terminology)}

    def loose(self, kind: Kind) -> Keys:
        """Names without the words that mean little in names of this kind."""
        if kind not in self._loose:  # a table asks for what the terminology does not cover by itself
            self._loose[kind] = self._of_kind(kind, self._own(forms.forms_of(self.terminology.names)))
        return self._loose[kind]

    def _own(self, written: Sequence[str]) -> list[str]:
        """Without related names: some words of one alone may mean anything."""
        kinds = self.terminology.kinds.tolist()
        return [each if kind < RELATED else "" for each, kind in zip(written, kinds, strict=True)]

    def _of_kind(self, kind: Kind, written: Sequence[str]) -> Keys:
        keys = (forms.key(rules(kind).loose(each.split())) for each in written)
        return Keys(self.terminology.names, keys, _loose(kind))


def kind_of(category: str) -> Kind:
    return "drug" if category == MEDICATION else "problem"


def _kinds(terminology: Terminology) -> list[Kind]:
    categories = terminology.categories
    if categories is None:
        return ["drug", "problem"]
    return sorted({kind_of(category) for category in categories})


def normal(name: str) -> str:
    return forms.key(forms.words(name))


def joined(name: str) -> str:
    return "".join(forms.words(name))


def _loose(kind: Kind) -> Callable[[str], str]:
    return lambda name: forms.key(rules(kind).loose(forms.words(name)))
