"""The table of a run: every row with its reason, in every form; what must hold decides."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from streamer.chaos import report as reports
from streamer.chaos.report import Report, Result

GOOD = Result("1", "a kill", "holds", "drained", 300, 0, 0, 2, True, 298, 0, 6.04, 1653.6, 21.2)
BAD = Result("8", "another", "does not hold", "3 of 300 notes lost <b>|x", 300, 3, 1, 0, False, 297, 5)
NOT = Result("27", "a new version", "not run", "there is one version so far")


def report(*results: Result) -> Report:
    return Report("streamer chaos 1", 7, "2 cores", "0.1.0", "2026-01-01T00:00+00:00", list(results))


def test_only_a_row_that_ran_and_does_not_hold_spoils_it() -> None:
    assert report(GOOD, NOT).holds
    assert not report(GOOD, BAD).holds
    assert report(GOOD, BAD, NOT).summary == "1 holds, 1 does not hold, 1 not run"


def test_a_planted_string_found_after_the_whole_run_spoils_it() -> None:
    whole = report(GOOD)
    whole.left.append("a name in node.log")
    assert not whole.holds
    assert whole.summary == "1 holds, a name in node.log after the whole run"


def test_markdown_has_a_line_a_row_with_its_figures_and_its_reason() -> None:
    lines = report(GOOD, BAD, NOT).markdown().splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert rows[0] == (
        "| 1 | a kill | ✔ holds | 300 | 0 | 0 | 2 | kept | 298 of 298 | 6.0 | 1,654 | 21 | drained |"
    )
    assert "292 of 297" in rows[1]
    assert "NOT kept" in rows[1]
    assert "<b>\\|x |" in rows[1]
    assert rows[2].endswith("| there is one version so far |")
    assert all(row.replace("\\|", "").count("|") == len(reports.COLUMNS) + 1 for row in rows)
    assert "seed 7" in lines[2]


def test_json_says_whether_it_holds_and_has_every_figure() -> None:
    told = json.loads(report(GOOD, BAD).json())
    assert (told["holds"], told["seed"], told["command"]) == (False, 7, "streamer chaos 1")
    assert told["results"][1]["lost"] == 3


def test_the_page_escapes_what_it_shows() -> None:
    page = report(BAD).page()
    assert "3 of 300 notes lost &lt;b&gt;|x" in page
    assert "<b>" not in page


def test_all_three_files_are_written(tmp_path: Path) -> None:
    report(GOOD).write(tmp_path / "new")
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == [
        "chaos.html",
        "chaos.json",
        "chaos.md",
    ]


def test_the_terminal_shows_every_row() -> None:
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(reports.table([GOOD, BAD, NOT]))
    shown = console.export_text()
    assert all(f"{own.row} " in shown and own.what in shown for own in (GOOD, BAD, NOT))
    assert "✘ does not hold" in shown
