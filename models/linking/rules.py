"""What words mean the same, or little, in names of drugs and of problems (`rules.tsv`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from models.linking.forms import words

Kind = Literal["drug", "problem"]


class Rules(NamedTuple):
    """Words in the form of `forms.words`. `same`: what to write instead; others: words to leave out."""

    same: dict[str, tuple[str, ...]]
    heads: frozenset[str]
    modifiers: frozenset[str]
    vague: frozenset[str]
    classes: frozenset[str]
    tied: frozenset[str]

    def loose(self, name: Sequence[str]) -> list[str]:
        """Words of a name under which more of its spellings meet; each once, never none unless given none."""
        kept = [each for word in name if word not in self.heads for each in self.same.get(word, (word,))]
        return list(dict.fromkeys(kept or name))

    def says_more(self, name: Sequence[str], mention: Sequence[str]) -> bool:
        """Whether a name ends in what makes it another thing than its other words: "seizure disorder"."""
        return not self.tied.isdisjoint(name) and self.heads.isdisjoint(mention)

    def looser(self, name: Sequence[str]) -> list[list[str]]:
        """What to try in its place, from the surest on."""
        name = self.loose(name)
        tries = [
            [word for word in name if word not in left_out]
            for left_out in (self.modifiers, self.vague, self.modifiers | self.vague)
        ]
        return [each for place, each in enumerate(tries) if each and each not in [name, *tries[:place]]]


@cache
def rules(kind: Kind) -> Rules:
    same: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, set[str]] = {
        "head": set(),
        "modifier": set(),
        "vague": set(),
        "class": set(),
        "tied": set(),
    }
    for line in Path(__file__).with_name("rules.tsv").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        of, rule, instead, others = line.split("\t")
        if of != kind:
            continue
        if rule == "same":
            same.update((each, tuple(words(instead))) for each in words(others))
        else:
            left_out[rule].update(words(others))
    return Rules(same, *(frozenset(left_out[rule]) for rule in left_out))
