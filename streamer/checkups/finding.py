"""What was looked at and how it is: one line for a person, one object for a script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Area = Literal["kafka", "redis", "checkpoint", "device", "machine"]
State = Literal["good", "bad", "unknown"]
SIGNS: dict[State, str] = {"good": "✔", "bad": "✘", "unknown": "–"}


@dataclass(frozen=True)
class Finding:
    """`what` is so. `mend`: what mends it, if it is bad; why it was not looked at, if it is unknown."""

    area: Area
    state: State
    what: str
    mend: str = ""

    def __str__(self) -> str:
        joint = {"good": "", "bad": ". Mend: ", "unknown": ": not looked at, "}[self.state]
        return f"{SIGNS[self.state]} {self.area}: {self.what}{joint}{self.mend}"


def good(area: Area, what: str) -> Finding:
    return Finding(area, "good", what)


def bad(area: Area, what: str, mend: str) -> Finding:
    return Finding(area, "bad", what, mend)


def unknown(area: Area, what: str, why: str) -> Finding:
    return Finding(area, "unknown", what, why)


def of_error(area: Area, error: Exception) -> Finding:
    """From an error of ours, whose message says what is wrong, and after a colon what to do."""
    what, _, mend = str(error).partition(": ")
    return bad(area, what, mend or "see docs/security.md and monitoring/runbook.md")


def sound(findings: Iterable[Finding]) -> bool:
    """Whether nothing is bad."""
    return all(finding.state != "bad" for finding in findings)
