"""How far a name that looks like a mention may be taken for it: word by word.

A name that says more than the mention (a part of the body, a cause) is another thing; a mention that says
more than the name is often a kind of it. So what counts is how much of the name the mention covers.
"""

from __future__ import annotations

from collections.abc import Sequence

LIKE = 0.8
"""Share of letters, from both ends of a word, that two spellings of it have in common at least."""
SAME_BEGIN, LONG_WORD = 4, 11
"""Letters that both begin with at least; in words of `LONG_WORD` letters two are enough."""
OPPOSITES = (
    ("hyper", "hypo"), ("tachy", "brady"), ("macro", "micro"), ("intra", "extra"), ("supra", "infra"),
    ("endo", "exo"), ("anterior", "posterior"), ("afferent", "efferent"),
)  # fmt: skip


def covered(name: Sequence[str], mention: Sequence[str]) -> float:
    """Share of a name's letters in words that the mention has too, in [0, 1]."""
    letters = sum(map(len, name))
    found = sum(len(word) * max((likeness(word, other) for other in mention), default=0.0) for word in name)
    return found / letters if letters else 0.0


def likeness(word: str, other: str) -> float:
    """1 for the same word, at least `LIKE` for a slip or another ending, 0 for another word."""
    if word == other:
        return 1.0
    longest, shortest = max(len(word), len(other)), min(len(word), len(other))
    if shortest < LIKE * longest or word[:2] != other[:2]:
        return 0.0
    begin = 0
    while begin < shortest and word[begin] == other[begin]:
        begin += 1
    end = 0
    while end < shortest - begin and word[-1 - end] == other[-1 - end]:
        end += 1
    if begin < SAME_BEGIN and longest < LONG_WORD:
        return 0.0
    share = (begin + end) / longest
    return share if share >= LIKE and not _opposite(word, other) else 0.0


def _opposite(word: str, other: str) -> bool:
    return any(
        (word.startswith(first) and other.startswith(second))
        or (word.startswith(second) and other.startswith(first))
        for first, second in OPPOSITES
    )
