"""`streamer evaluate`: `models.evaluation`, shown to a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.evaluation import report as reports
from models.evaluation.bootstrap import TEST, Difference, Figure
from models.evaluation.calibrated import Calibration
from models.evaluation.related import ScorerOf
from models.evaluation.report import Report, Row, Score
from models.evaluation.run import run as measure
from models.evaluation.selection import PARTS, Part
from models.precision import Precision
from streamer.errors import SettingError

UNITS = {"%": "", "MB": " MB", "points": " points"}
HEADINGS = {"f1": "F1", "recall": "recall", "accuracy": "accuracy"}


def run(
    data: Path,
    checkpoint: str | None = None,
    *,
    against: str | None = None,
    part: str = "held-out",
    corpora: str = "",
    device: str = "auto",
    precision: Precision = "fp32",
    scorer: ScorerOf | None = None,
    as_json: bool = False,
) -> int:
    """Print a checkpoint's figures on a part of the data sets.

    `corpora`: names with commas between, none: all. `against`: another checkpoint, on the same documents.
    Raises `SettingError` for a wrong call or where there is nothing to measure on, `CheckpointError` for a
    checkpoint or data that cannot be read.
    """
    if not data.is_dir():
        raise SettingError(f"{data} is not a folder; --data names the folder that holds the data sets")
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
        raise SettingError(f"{data} has no text of the part {part!r}; take another with --part all")
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        Console().print(tables(report))
    return 0


def tables(report: Report) -> Group:
    """The figures to reach first, then what was left out, two checkpoints side by side, and every table."""
    shown: list[RenderableType] = [_title(report), goals(report)]
    shown += [f"not read: {line}" for line in report.skipped]
    if report.comparisons:
        shown.append(_comparisons(report))
    shown += [scores(table) for table in report.tables]
    if report.calibration:
        shown.append(_calibrations(report.calibration))
    shown += [_bins(one) for one in report.calibration]
    return Group(*shown)


def _title(report: Report) -> str:
    who = f"{report.name} {report.version} ({report.fingerprint}) in {report.precision}"
    held = "" if report.part == "all" else f" (seed {report.seed}, share {report.share:g})"
    return f"{who}: {report.documents:,} texts, {report.part}{held}"


def goals(report: Report) -> Table:
    """Figures in per cent unless they have a unit."""
    caption = f"per cent; 95 % intervals over documents ({report.resamples:,} bootstrap samples)"
    table = Table(title="Figures to reach", caption=caption)
    for column in ("task", "goal", "figure", "95 % interval", "n", "reached"):
        table.add_column(column, justify="left" if column in ("task", "reached") else "right")
    if report.against is not None:
        for column in ("other", "difference", "p"):
            table.add_column(column, justify="right")
    for row in report.goals:
        cells = [row.task, f"{'≤' if row.at_most else '≥'} {row.goal:g}{UNITS[row.unit]}", *_figure(row)]
        table.add_row(*cells, *(_difference(row.against, 1) if report.against is not None else ()))
    return table


def _figure(row: Row) -> tuple[str, str, str, str]:
    if row.figure.value is None:
        return "–", "", "", row.note
    verdict = "reached" if row.reached else "not reached"
    figure = f"{row.figure.value:.1f}" if row.unit == "%" else f"{row.figure.value:.2f}"
    items = f"{row.items:,} in {row.documents:,}" if row.items else ""
    return figure, _interval(row.figure, 1), items, f"{verdict}; {row.note}" if row.note else verdict


def scores(part: reports.Table) -> Table:
    """One task on one corpus, label by label."""
    texts = f"{part.documents:,} texts of {part.groups:,} documents"
    table = Table(title=f"{part.corpus}: {part.task}", caption=f"{texts}; {part.what}")
    table.add_column("label")
    columns = ["precision", "recall", "F1"]
    if part.kind == "recall":
        columns = ["precision", "recall"]
    for column in (*columns, f"95 % of {HEADINGS[part.kind]}", "gold", "found"):
        table.add_column(column, justify="right")
    for score in part.scores:
        table.add_row(score.label, *_cells(score, len(columns)))
    if len(part.scores) > 1:
        table.add_section()
        table.add_row("all", *_cells(part.micro, len(columns)))
        macro = "" if part.macro.value is None else f"{100 * part.macro.value:.1f}"
        cells = ["", "", macro] if len(columns) > 2 else ["", macro]
        table.add_row("mean over labels", *cells, _interval(part.macro), "", "")
    return table


def _cells(score: Score, figures: int) -> Iterator[str]:
    for value in (score.precision, score.recall, score.f1)[:figures]:
        yield f"{100 * value:.1f}"
    yield _interval(score.figure)
    yield f"{score.gold:,}"
    yield f"{score.found:,}"


def _comparisons(report: Report) -> Table:
    other = report.against or {}
    who = f"{other.get('name')} {other.get('version')} ({other.get('fingerprint')})"
    table = Table(
        title=f"Against {who}",
        caption="the same documents for both; difference: the other less this one, paired bootstrap; "
        f"p: {TEST}, not corrected for how many are looked at",
    )
    for column in ("corpus", "task", "figure"):
        table.add_column(column)
    for column in ("documents", "this", "other", "difference", "p"):
        table.add_column(column, justify="right")
    for one in report.comparisons:
        first = one.difference.first
        this = "–" if first is None else f"{100 * first:.1f}"
        told = one.corpus, one.task, one.figure, f"{one.documents:,}", this
        table.add_row(*told, *_difference(one.difference))
    return table


def _difference(one: Difference | None, scale: float = 100) -> tuple[str, str, str]:
    """The other's figure, the difference with its interval, p."""
    if one is None or one.second is None:
        return "–", "", ""
    if one.value is None or one.low is None or one.high is None or one.p is None:
        return f"{scale * one.second:.1f}", "", ""
    low, high = scale * one.low, scale * one.high
    p = f"{one.p:.3f}" if one.p >= 0.001 else "< 0.001"
    return f"{scale * one.second:.1f}", f"{scale * one.value:+.1f} ({low:+.1f} … {high:+.1f})", p


def _calibrations(found: Sequence[Calibration]) -> Table:
    caption = "expected calibration error, per cent, in 15 bins of equal mass, and of equal width"
    table = Table(title="Calibration", caption=caption)
    table.add_column("head")
    table.add_column("corpora")
    for column in ("answers", "equal mass", "95 % interval", "equal width", "95 % interval"):
        table.add_column(column, justify="right")
    for one in found:
        cells = [one.head, ", ".join(one.corpora), f"{one.answers:,}"]
        for figure in (one.equal_mass, one.equal_width):
            cells += ["–" if figure.value is None else f"{100 * figure.value:.1f}", _interval(figure)]
        table.add_row(*cells)
    return table


def _bins(one: Calibration) -> Table:
    table = Table(title=f"Reliability: {one.head}")
    for column in ("confidences", "answers", "mean confidence", "right"):
        table.add_column(column, justify="right")
    for own in one.bins:
        bounds = f"{own.low:.3f} … {own.high:.3f}"
        table.add_row(bounds, f"{own.answers:,}", f"{100 * own.confidence:.1f}", f"{100 * own.right:.1f}")
    return table


def _interval(figure: Figure, scale: float = 100) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{scale * figure.low:.1f} … {scale * figure.high:.1f}"


def _bar() -> Progress:
    return Progress(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("texts"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
