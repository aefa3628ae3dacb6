"""What is wrong with training data that users bring: by file and line, with what was done about it.

A message holds places, label names and offsets; never a word of a text, an id or a cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from models.errors import CheckpointError, printable

Kind = Literal["fatal", "skipped", "warning"]
"""Nothing can be learned like this; something was left out; all was kept, but somebody should know."""
KINDS: tuple[Kind, ...] = ("fatal", "skipped", "warning")
SHOWN = 20
ALIKE = 5
"""Lines that are named of those with the same problem."""
LONGEST_NAME = 60


@dataclass(frozen=True)
class Problem:
    """`line` counts from 1; 0: the file or folder as a whole. `done`: what was done, or what to do."""

    path: Path
    line: int
    what: str
    done: str
    kind: Kind

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{printable(str(self.path))}{line}: {self.what}; {self.done}"


class DataError(CheckpointError):
    """Training data that nothing can be learned from; `problems` has all that was found, fatal or not."""

    def __init__(self, root: Path, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = told(self.problems)
        if len(self.problems) != 1:
            lines.insert(0, f"{printable(str(root))} cannot be trained on: {len(self.problems)} problems")
        super().__init__("\n  ".join(lines))


class Problems:
    """Collects what readers find. `lost`: how many whole examples were left out."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.lost = 0

    def fatal(self, path: Path, line: int, what: str, do: str) -> None:
        self.found.append(Problem(path, line, what, do, "fatal"))

    def skipped(self, path: Path, line: int, what: str, done: str = "skipped") -> None:
        self.found.append(Problem(path, line, what, done, "skipped"))

    def lose(self, path: Path, line: int, what: str) -> None:
        """A whole example is left out."""
        self.lost += 1
        self.skipped(path, line, what)

    def warn(self, path: Path, line: int, what: str, done: str = "kept") -> None:
        self.found.append(Problem(path, line, what, done, "warning"))

    def stop(self, root: Path, at: tuple[Kind, ...] = ("fatal",)) -> None:
        """Raises `DataError` if any problem is of the given kinds."""
        if any(problem.kind in at for problem in self.found):
            raise DataError(root, self.found)


def told(problems: Iterable[Problem], limit: int = SHOWN) -> list[str]:
    """The worst first, at most `limit` lines, then how many problems there are besides.

    What a file has in several lines is told once, with the first of them.
    """
    alike: dict[Problem, list[int]] = {}
    for problem in problems:
        alike.setdefault(replace(problem, line=0), []).append(problem.line)
    worst_first = sorted(alike.items(), key=lambda item: KINDS.index(item[0].kind))
    lines = [_told(problem, at) for problem, at in worst_first[:limit]]
    rest = sum(len(at) for _, at in worst_first[limit:])
    return [*lines, f"… and {rest:,} more"] if rest else lines


def _told(problem: Problem, lines: list[int]) -> str:
    others = [f"{line}" for line in lines[1:ALIKE]]
    if len(lines) > ALIKE:
        others.append(f"{len(lines) - ALIKE:,} more")
    also = f" (and in {', '.join(others)})" if others else ""
    return str(replace(problem, line=lines[0], what=problem.what + also))


def shown(label: str, guessed: bool = False) -> str:
    """A label's name; its length alone where it may be a text: if too long for a name, or only guessed at."""
    if guessed or len(label) > LONGEST_NAME:
        return f"a label of {len(label):,} characters"
    return printable(label)
