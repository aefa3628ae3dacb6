"""`streamer evaluate`: `models.evaluation`, shown to a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.evaluation import report as reports
from models.evaluation.bootstrap import TEST, Difference, Figure
from models.evaluation.calibrated import Calibration
from models.evaluation.related import ScorerOf
from models.evaluation.report import Report, Row, Score
from models.evaluation.run import run as measure
from models.evaluation.scorer import HeadScorer
from models.evaluation.selection import NOT_ASKED, PARTS, Part
from models.precision import Precision
from streamer.errors import SettingError

UNITS = {"%": "", "MB": " MB", "points": ""}
INTERVAL = "95 %"
FEW = 3
"""Reasons that an error names."""
COLUMNS = {
    "f1": ("precision", "recall", "F1"),
    "recall": ("recall",),
    "coverage": ("precision", "recall"),
    "accuracy": ("precision", "recall", "F1"),
}
HEADINGS = {"f1": "F1", "recall": "recall", "coverage": "recall", "accuracy": "accuracy"}


def run(
    data: Path,
    checkpoint: str | None = None,
    *,
    against: str | None = None,
    part: str = "held-out",
    corpora: str = "",
    device: str = "auto",
    precision: Precision = "fp32",
    scorer: ScorerOf = HeadScorer,
    as_json: bool = False,
) -> int:
    """Print a checkpoint's figures on a part of the data sets.

    `corpora`: names with commas between, none: all. `against`: another checkpoint, on the same documents.
    Raises `SettingError` for a wrong call or where there is nothing to measure on, `CheckpointError` for a
    checkpoint or data that cannot be read.
    """
    if not data.exists():
        raise SettingError(f"{data} is not there; --data names the data sets' folder, or labelled texts")
    chosen: Part | None = next((known for known in PARTS if known == part), None)
    if chosen is None:
        raise SettingError(f"--part {part} is none; there are {', '.join(PARTS)}")
    names = [name.strip() for name in corpora.split(",") if name.strip()]
    with _bar() as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = measure(
            checkpoint,
            data,
            chosen,
            corpora=names,
            against=against,
            device=device,
            precision=precision,
            scorer=scorer,
            on_progress=show,
        )
    if not report.documents:
        why = "; ".join(report.skipped[-FEW:])
        other = "" if part == "all" else ", or take other texts with --part all"
        raise SettingError(f"{data} has nothing to measure on ({why}); see docs/evaluation.md{other}")
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        Console().print(tables(report))
    return 0


def tables(report: Report) -> Group:
    """The figures to reach first, then what was left out, two checkpoints side by side, and every table."""
    found: list[RenderableType] = []
    if report.against is not None:
        found += [side_by_side(report), comparisons(report)]
    found += [scores(table) for table in report.tables]
    if report.calibration:
        found.append(_calibrations(report.calibration))
    found += [_bins(one) for one in report.calibration]
    apart = [part for table in found for part in ("", table)]
    return Group(_title(report), "", goals(report), *_notes(report), *apart)


def _title(report: Report) -> str:
    who = f"{report.name} {report.version} ({report.fingerprint}) in {report.precision}"
    which = {"held-out": "held out from training", "training": "trained on", "all": "all"}[report.part]
    how = "" if report.part == "all" else f" (seed {report.seed}, share {report.share:g})"
    return f"{who}\n{report.documents:,} of {report.there:,} texts: {which}{how}"


def goals(report: Report) -> Table:
    """Figures in per cent unless they have a unit; those of corpora that were not asked for are left out."""
    caption = (
        "Per cent. n: labelled ones, in so many documents; 95 % intervals: bootstrap over documents, "
        f"{report.resamples:,} samples."
    )
    table = _table("Figures to reach", ("task",), ("goal", "figure", INTERVAL, "n", "docs"), caption)
    table.add_column("reached")
    for row in _asked(report):
        goal = f"{'≤' if row.at_most else '≥'} {row.goal:g}{UNITS[row.unit]}"
        counts = [f"{number:,}" if row.items else "" for number in (row.items, row.documents)]
        verdict = {None: "", True: "yes", False: "no"}[row.reached]
        figure = _value(row.figure, 1, 1 if row.unit == "%" else 2)
        table.add_row(row.task, goal, figure, _interval(row.figure, 1), *counts, verdict)
    return table


def _asked(report: Report) -> list[Row]:
    return [row for row in report.goals if row.note != NOT_ASKED]


def _notes(report: Report) -> Iterator[str]:
    """What a reader of the figures has to know, a line each; a reason that several share is said once."""
    by_note: dict[str, list[str]] = {}
    for row in _asked(report):
        if row.note:
            by_note.setdefault(row.note, []).append(row.task)
    for note, tasks in by_note.items():
        yield f"* {'; '.join(tasks)}: {note}"
    for line in report.skipped:
        yield f"* {line}"


def scores(part: reports.Table) -> Table:
    """One task on one corpus, label by label."""
    texts = f"{part.documents:,} texts"
    if part.groups != part.documents:
        texts += f" of {part.groups:,} documents"
    columns = COLUMNS[part.kind]
    interval = f"95 % of {HEADINGS[part.kind]}"
    right = (*columns, interval, "gold", "found")
    table = _table(f"{part.corpus}: {part.task}", ("label",), right, f"{texts}; {part.what}")
    for score in part.scores:
        table.add_row(score.label, *_cells(score, columns))
    if len(part.scores) > 1:
        table.add_section()
        table.add_row("all", *_cells(part.micro, columns))
        blank = [""] * (len(columns) - 1)
        table.add_row("mean over labels", *blank, _value(part.macro), _interval(part.macro), "", "")
    return table


def _cells(score: Score, columns: Sequence[str]) -> Iterator[str]:
    figures = {"precision": score.precision, "recall": score.recall, "F1": score.f1}
    for column in columns:
        yield f"{100 * figures[column]:.1f}"
    yield _interval(score.figure)
    yield f"{score.gold:,}"
    yield f"{score.found:,}"


# --- two checkpoints --------------------------------------------------------------------------------


def side_by_side(report: Report) -> Table:
    """The figures to reach of both."""
    other = report.against or {}
    table = _table(f"Against {other.get('name')} {other.get('version')} ({other.get('fingerprint')})")
    table.add_column("task")
    _compared(table)
    for row in _asked(report):
        if row.against is not None and (row.against.first, row.against.second) != (None, None):
            table.add_row(row.task, *_difference(row.against, 1))
    return table


def comparisons(report: Report) -> Table:
    """Every table of both; what both have."""
    caption = (
        "The same documents for both. They differ by the other's figure less this one's; 95 %: paired "
        f"bootstrap; p: {TEST}, not corrected for how many are looked at."
    )
    table = _table("Every task of both", ("task", "figure"), caption=caption)
    _compared(table)
    for one in report.comparisons:
        table.add_row(f"{one.corpus}: {one.task}", one.figure, *_difference(one.difference))
    return table


def _compared(table: Table) -> None:
    for column in ("this", "other", "differ by", INTERVAL, "p"):
        table.add_column(column, justify="right", no_wrap=True)


def _difference(one: Difference, scale: float = 100) -> tuple[str, ...]:
    """This and the other's figure, the difference with its interval, p."""
    first, second = ("–" if v is None else f"{scale * v:.1f}" for v in (one.first, one.second))
    apart = "" if one.value is None else f"{scale * one.value:+.1f}"
    if one.low is None or one.high is None or one.p is None:
        return first, second, apart, "", ""
    p = f"{one.p:.3f}" if one.p >= 0.001 else "< 0.001"
    return first, second, apart, f"{scale * one.low:+.1f} … {scale * one.high:+.1f}", p


# --- calibration ------------------------------------------------------------------------------------


def _calibrations(found: Sequence[Calibration]) -> Table:
    caption = "Expected calibration error, per cent, in 15 bins of equal mass and of equal width."
    right = ("answers", "docs", "equal mass", INTERVAL, "equal width", INTERVAL)
    table = _table("Calibration", ("head",), right, caption)
    for one in found:
        cells = [one.head, f"{one.answers:,}", f"{one.documents:,}"]
        for figure in (one.equal_mass, one.equal_width):
            cells += [_value(figure), _interval(figure)]
        table.add_row(*cells)
    return table


def _bins(one: Calibration) -> Table:
    table = _table(f"Reliability: {one.head}", (), ("confidences", "answers", "mean confidence", "right"))
    for own in one.bins:
        bounds = f"{own.low:.3f}–{own.high:.3f}"
        table.add_row(bounds, f"{own.answers:,}", f"{100 * own.confidence:.1f}", f"{100 * own.right:.1f}")
    return table


# --- what all tables share --------------------------------------------------------------------------


def _table(title: str, left: Sequence[str] = (), right: Sequence[str] = (), caption: str = "") -> Table:
    """Narrow enough for a terminal of 80 columns: only names are wrapped."""
    table = Table(
        title=title,
        caption=caption or None,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    for column in left:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _value(figure: Figure, scale: float = 100, digits: int = 1) -> str:
    return "–" if figure.value is None else f"{scale * figure.value:.{digits}f}"


def _interval(figure: Figure, scale: float = 100) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{scale * figure.low:.1f}–{scale * figure.high:.1f}"


def _bar() -> Progress:
    return Progress(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("texts"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
