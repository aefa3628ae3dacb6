"""What the files of users say, whichever their format, before it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.corpora.problems import shown

LONGEST = 1_000_000
"""Characters of a text that is read."""


@dataclass(frozen=True)
class RawSpan:
    """A span as a file gives it. `text`: what the file says stands there, where it says so.

    `flags`: names of what is said of it by being there ("Negated"), where silence says the contrary.
    `values`: assertion values that are spelled out.
    """

    line: int
    start: int
    end: int
    label: str
    text: str | None = field(default=None, repr=False)
    codes: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()

    @property
    def place(self) -> tuple[int, int]:
        return self.start, self.end

    def __str__(self) -> str:
        return f"{shown(self.label)} {self.start}–{self.end}"


@dataclass(frozen=True)
class RawRelation:
    """`source` and `target`: places in the document's tuple of spans; −1 for one that could not be read."""

    line: int
    label: str
    source: int
    target: int


@dataclass(frozen=True)
class RawDocument:
    """A text and its labels. `path`, `line`: where the labels stand. `id` "": the file gives none.

    `spans`, `relations`: None where the file says nothing of them, which is not the same as none.
    `pairs`: (label, source code, target code), said of the whole document.
    `guessed`: no name in the file says that `classes` are labels: they may be texts.
    `bom`: the file of the text starts with a byte order mark, which some programs count.
    """

    path: Path
    line: int
    text: str = field(repr=False)
    id: str = field(default="", repr=False)
    spans: tuple[RawSpan, ...] | None = None
    relations: tuple[RawRelation, ...] | None = None
    pairs: frozenset[tuple[str, str, str]] = field(default=frozenset(), repr=False)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guessed: bool = False
    bom: bool = False
