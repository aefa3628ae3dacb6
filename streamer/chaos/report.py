"""What a run of rows gave, as a table: for the terminal, and as Markdown, JSON and HTML."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich.table import Table

Verdict = Literal["holds", "does not hold", "not run"]
MARKS: dict[Verdict, str] = {"holds": "✔", "does not hold": "✘", "not run": "–"}
COLOURS: dict[Verdict, str] = {"holds": "green", "does not hold": "red", "not run": "yellow"}
COLUMNS = (
    "#", "fault or input", "", "notes", "lost", "doubled", "dead letters", "order", "equal records",
    "flows again after, s", "memory, MB", "took, s", "what was seen",
)  # fmt: skip
SHORT_COLUMNS = ("#", "fault or input", "", "notes", "L", "D", "B", "order", "again, s", "MB", "s")
STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2em;color:#222}table{border-collapse:collapse}"
    "td,th{border-bottom:1px solid #ddd;padding:.35em .6em;text-align:left;vertical-align:top}"
    ".holds{color:#17702b}.not{color:#8a6d00}.does{color:#b00020;font-weight:600}"
)


@dataclass(frozen=True)
class Result:
    """One row; figures are None where the row has none of the kind. `said`: reasons and remarks."""

    row: str
    what: str
    verdict: Verdict
    said: str = ""
    notes: int | None = None
    lost: int | None = None
    duplicates: int | None = None
    dead_letters: int | None = None
    order_kept: bool | None = None
    compared: int | None = None
    unequal: int | None = None
    recovery_s: float | None = None
    memory_mb: float | None = None
    seconds: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """As `COLUMNS`."""
        order = None if self.order_kept is None else "kept" if self.order_kept else "NOT kept"
        equal = f"{self.compared - (self.unequal or 0)} of {self.compared}" if self.compared else None
        return (
            self.row,
            self.what,
            f"{MARKS[self.verdict]} {self.verdict}",
            _whole(self.notes),
            _whole(self.lost),
            _whole(self.duplicates),
            _whole(self.dead_letters),
            order or "",
            equal or "",
            "" if self.recovery_s is None else f"{self.recovery_s:.1f}",
            _whole(None if self.memory_mb is None else round(self.memory_mb)),
            "" if self.seconds is None else f"{self.seconds:.0f}",
            self.said,
        )


@dataclass
class Report:
    """A run: what was asked for, on what, and a result a row. `left`: planted strings in all that it left."""

    command: str
    seed: int
    machine: str
    version: str
    moment: str
    results: list[Result] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Every row that ran, and nothing was left behind."""
        return not self.left and all(own.verdict != "does not hold" for own in self.results)

    @property
    def summary(self) -> str:
        counts = {verdict: sum(own.verdict == verdict for own in self.results) for verdict in MARKS}
        said = [f"{count} {verdict}" for verdict, count in counts.items() if count] or ["no rows"]
        return ", ".join([*said, *(f"{where} after the whole run" for where in self.left)])

    @property
    def about(self) -> str:
        return f"`{self.command}` (seed {self.seed}), version {self.version}, {self.moment}, {self.machine}"

    def markdown(self) -> str:
        lines = ["# Faults", "", f"{self.about}: {self.summary}.", "", _line(COLUMNS)]
        lines += ["|" + "---|" * len(COLUMNS), *(_line(own.cells) for own in self.results)]
        return "\n".join(lines) + "\n"

    def json(self) -> str:
        return json.dumps(asdict(self) | {"holds": self.holds}, indent=2, ensure_ascii=False) + "\n"

    def page(self) -> str:
        heads = "".join(f"<th>{html.escape(name)}</th>" for name in COLUMNS)
        rows = "".join(
            f'<tr class="{own.verdict.split()[0]}">'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in own.cells)
            + "</tr>"
            for own in self.results
        )
        return (
            f'<!doctype html><meta charset="utf-8"><title>Faults</title><style>{STYLE}</style>'
            f"<h1>Faults</h1><p>{html.escape(self.about)}: {html.escape(self.summary)}.</p>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>\n"
        )

    def write(self, folder: Path) -> None:
        """`chaos.md`, `chaos.json` and `chaos.html`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("md", self.markdown()), ("json", self.json()), ("html", self.page())):
            (folder / f"chaos.{name}").write_text(text)


def table(results: Sequence[Result]) -> Table:
    """For the terminal."""
    shown = Table(box=None, pad_edge=False)
    for name in SHORT_COLUMNS:
        shown.add_column(name, justify="left" if name in ("fault or input", "") else "right", overflow="fold")
    for own in results:
        cells = own.cells
        shown.add_row(*cells[:2], f"[{COLOURS[own.verdict]}]{cells[2]}[/]", *cells[3:8], *cells[9:12])
    return shown


def _whole(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
