"""The table of faults: every row's words, and what runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.chaos import rows_engine, rows_worker
from streamer.chaos.trial import Trial
from streamer.errors import SettingError

SHORT_S, LONG_S = 420.0, 3_600.0


@dataclass(frozen=True)
class Row:
    """`run`: makes the fault, on real servers. Where there is none, `tests` show the row without a server, or
    `why_not` says why it is not run. `long_only`: not in the short form."""

    number: str
    what: str
    passes_when: str
    run: Callable[[Trial], None] | None = None
    tests: tuple[str, ...] = ()
    long_only: bool = False
    why_not: str = ""
    settle_s: float = SHORT_S


ROWS = (
    Row("1", "worker SIGKILL at random moments", "none lost, none doubled", rows_worker.killed),
    Row("2", "SIGTERM in mid-batch", "drained ≤ 10 s, exit 0, none lost, none doubled",
        rows_worker.told_to_stop),
    Row("3", "worker frozen past the session timeout, then woken", "its commit is refused, it exits non-zero",
        rows_worker.frozen),
    Row("8", "engine SIGKILL under load", "restarted, none lost, none dead-lettered", rows_engine.killed),
    Row("9", "engine frozen", "the watchdog ends it, its notes are read again", rows_engine.frozen),
)  # fmt: skip


def chosen(numbers: list[str]) -> list[Row]:
    """The rows of these numbers, all when none is named. Raises SettingError for a number that is none."""
    known = {row.number: row for row in ROWS}
    for number in numbers:
        if number not in known:
            raise SettingError(f"{number} is no row: streamer chaos --list shows them")
    return [row for row in ROWS if not numbers or row.number in numbers]
