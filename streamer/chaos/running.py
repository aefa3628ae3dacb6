"""Rows, one after another, each bounded in time; a live table while they run, a report at the end."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from streamer import logs
from streamer.chaos import canaries
from streamer.chaos import report as reports
from streamer.chaos.bed import LONG_NOTES, SHORT_NOTES, Bed, Plan
from streamer.chaos.report import Report, Result
from streamer.chaos.rows import LONG_S, ROWS, SHORT_S, Row, chosen
from streamer.chaos.trial import Trial
from streamer.embedded.progress import shown_download
from streamer.errors import StreamerError
from streamer.topics import VERSION

REST_S = 600.0
"""What the soak has beyond its own length, at most."""
GRACE_S = 60.0
"""After a row's time all its processes are killed, should something wait for them without end."""
TESTS = Path(__file__).parents[2] / "tests"

Tell = Callable[[str], None]


def run(numbers: list[str], plan: Plan, folder: Path | None = None) -> int:
    """Runs rows, shows and writes the table; 0 only if every row that ran holds."""
    console = Console()
    console.print("[bold]Streamer[/] — faults made on purpose; synthetic notes only\n")
    report = new_report(plan)
    rows, ended_early = chosen(numbers), False
    try:
        with _shown(console, report) as tell:
            run_rows(rows, plan, report, tell)
    except KeyboardInterrupt:
        ended_early = True
    for own in report.results:
        if own.said:
            console.print(
                f"[{reports.COLOURS[own.verdict]}]{own.row:>3}[/] {escape(own.said)}", highlight=False
            )
    for where in report.left:
        console.print(f"[red]left by the whole run: {escape(where)}[/]", highlight=False)
    console.print(f"\n[bold]{report.summary}[/]; seed {plan.seed}")
    if folder is not None:
        report.write(folder)
        console.print(f"written: {folder}/chaos.md, chaos.json, chaos.html")
    if ended_early:
        console.print(f"interrupted: {len(rows) - len(report.results)} rows were not run")
    return 0 if report.holds and not ended_early else 1


def plan(notes: int | None, seed: int, *, long: bool, minutes: float = 30.0) -> Plan:
    """`notes` None: as many as the form has; `minutes` of the soak."""
    return Plan(notes or (LONG_NOTES if long else SHORT_NOTES), seed, long, minutes * 60)


def show_rows() -> None:
    """Every row, how it is run, and when it passes."""
    table = Table("#", "fault or input", "passes when", "with", box=None, pad_edge=False)
    for row in ROWS:
        how = "servers" if row.run else "tests"
        table.add_row(row.number, row.what, row.condition, how + (", --long only" if row.long_only else ""))
    Console().print(table)


def new_report(plan: Plan) -> Report:
    cores = len(os.sched_getaffinity(0))
    machine = f"{cores} core{'' if cores == 1 else 's'} of {_processor()}, Python {platform.python_version()}"
    command = "streamer " + " ".join(sys.argv[1:]) if sys.argv[1:2] == ["chaos"] else "streamer chaos"
    moment = datetime.now(UTC).isoformat(timespec="minutes")
    return Report(command, plan.seed, machine, VERSION, moment)


def run_rows(rows: Sequence[Row], plan: Plan, report: Report, tell: Tell) -> None:
    """Enters a result a row into the report. Raises WorldError where the servers cannot be had."""
    served = [row for row in rows if row.run is not None and (plan.long or not row.long_only)]
    with _bed(plan, tell, needed=bool(served)) as bed:
        for number, row in enumerate(rows):
            tell(f"{row.number}: {row.what}")
            if row in served and bed is not None:
                report.results.append(run_row(row, bed))
                bed.keep_only({later.stage for later in rows[number + 1 :]})
            else:
                report.results.append(without_servers(row))
        if bed is not None:
            tell("looking for planted strings in all that the rows left")
            bed.keep_only(())
            report.left = list(dict.fromkeys(canaries.sweep(bed.left_over())))


def run_row(row: Row, bed: Bed) -> Result:
    """Whatever goes wrong is a row that does not hold, and what it ran on is not used again."""
    assert row.run is not None
    limit = max(LONG_S, bed.plan.soak_s + REST_S) if bed.plan.long else SHORT_S
    trial = Trial(bed, f"{int(row.number):02d}", limit)
    began = time.monotonic()
    killer = threading.Timer(limit + GRACE_S, bed.kill)
    killer.daemon = True
    killer.start()
    try:
        with trial.watched():
            row.run(trial)
    except StreamerError as error:
        trial.complaints.append(str(error))
    except Exception as error:  # of a client, of a server that is not there
        trial.complaints.append(f"broke off: {logs.place(error)}")
    finally:
        killer.cancel()
    seconds = time.monotonic() - began
    result = _result(row, trial, seconds)
    if trial.staged is not None and (
        result.verdict == "does not hold" or trial.staged.name.startswith("row")
    ):
        bed.drop(trial.staged.name)
    return result


def _result(row: Row, trial: Trial, seconds: float) -> Result:
    if trial.staged is None:
        return Result(row.number, row.what, "does not hold", "; ".join(trial.complaints), seconds=seconds)
    sums = trial.account()
    left = canaries.sweep(trial.bed.left_behind(trial.staged))
    late, bound = trial.recovery_s or 0.0, trial.bed.plan.recovery_s
    slow = [f"notes flowed again only after {late:.1f} s, not {bound:.0f}"] * (row.recovers and late > bound)
    wrong = [*trial.complaints, *sums.faults, *slow, *dict.fromkeys(left)]
    return Result(
        row.number,
        row.what,
        "does not hold" if wrong else "holds",
        "; ".join([*wrong, *trial.remarks]),
        sums.notes,
        sums.lost,
        sums.duplicates,
        sums.dead_letters,
        sums.order_kept,
        sums.compared,
        sums.unequal,
        trial.recovery_s,
        trial.peak_mb or None,
        seconds,
    )


def without_servers(row: Row) -> Result:
    """A row of unit tests, run where the tests are; or one that is not in the short form."""
    if not row.tests:
        return Result(row.number, row.what, "not run", "only with --long")
    names = ", ".join(f"tests/{name}" for name in row.tests)
    files = [TESTS / name.partition("::")[0] for name in row.tests]
    if not all(file.is_file() for file in files):
        return Result(row.number, row.what, "not run", f"unit: see {names} of the repository")
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", *(str(TESTS / name) for name in row.tests)]
    done = subprocess.run(
        command, cwd=TESTS.parent, capture_output=True, text=True, check=False, timeout=LONG_S
    )
    verdict: reports.Verdict = "holds" if done.returncode == 0 else "does not hold"
    last = "passed" if done.returncode == 0 else done.stdout.strip().rpartition("\n")[2]
    return Result(row.number, row.what, verdict, f"{names}: {last}", seconds=time.monotonic() - began)


@contextmanager
def _bed(plan: Plan, tell: Tell, needed: bool) -> Iterator[Bed | None]:
    if not needed:
        yield None
        return
    tell("starting Kafka and Redis (the first time their jars are fetched)")
    with (
        tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name,
        shown_download(tell) as download,
        Bed(Path(name), plan, download) as bed,
    ):
        yield bed


@contextmanager
def _shown(console: Console, report: Report) -> Iterator[Tell]:
    """A table that grows; where there is no terminal, a line a row."""
    if not console.is_terminal:
        printed = 0

        def tell_plainly(doing: str) -> None:
            nonlocal printed
            for own in report.results[printed:]:
                console.print(" ".join(cell for cell in own.cells[:3]), highlight=False, soft_wrap=True)
            printed = len(report.results)
            console.print(f"  {doing} …", highlight=False, soft_wrap=True)

        try:
            yield tell_plainly
        finally:
            console.print(reports.table(report.results))
        return
    with Live(console=console, refresh_per_second=4) as live:

        def tell(doing: str) -> None:
            shown = reports.table(report.results)
            shown.add_row("", f"[dim]{doing} …[/]")
            live.update(shown)

        try:
            yield tell
        finally:
            live.update(reports.table(report.results))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
