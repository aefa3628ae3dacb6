"""What is told of problems: the worst first, the same once, and never a word of a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.corpora.problems import SHOWN, DataError, Problems, shown, told
from models.errors import CheckpointError

HERE = Path("notes/a.jsonl")


def test_a_problem_says_where_what_and_what_was_done() -> None:
    problems = Problems()
    problems.skipped(HERE, 7, "Drug 3–2 is empty")
    problems.warn(HERE, 0, "few")
    assert [str(problem) for problem in problems.found] == [
        "notes/a.jsonl:7: Drug 3–2 is empty; skipped",
        "notes/a.jsonl: few; kept",
    ]


def test_only_a_fatal_problem_stops_and_comes_first() -> None:
    problems = Problems()
    problems.lose(HERE, 1, "is not valid JSON")
    problems.stop(HERE)
    problems.fatal(HERE, 0, "holds nothing", "name another")
    with pytest.raises(CheckpointError) as stop:  # so that a call ends with 2
        problems.stop(HERE)
    assert isinstance(stop.value, DataError)
    assert str(stop.value).splitlines() == [
        "notes/a.jsonl cannot be trained on: 2 problems",
        "  notes/a.jsonl: holds nothing; name another",
        "  notes/a.jsonl:1: is not valid JSON; skipped",
    ]
    assert problems.lost == 1


def test_a_single_problem_is_told_in_one_line() -> None:
    problems = Problems()
    problems.fatal(HERE, 3, "is not UTF-8", "save it as UTF-8")
    with pytest.raises(DataError) as stop:
        problems.stop(HERE)
    assert str(stop.value) == "notes/a.jsonl:3: is not UTF-8; save it as UTF-8"


def test_at_most_twenty_are_told_and_the_rest_counted() -> None:
    problems = Problems()
    for line in range(1, 101):
        problems.skipped(HERE, line, f"Drug {line}–{line} is empty")
    problems.fatal(HERE, 0, "holds nothing", "name another")
    with pytest.raises(DataError) as stop:
        problems.stop(HERE)
    lines = str(stop.value).splitlines()
    assert len(lines) == 1 + SHOWN + 1
    assert lines[-1] == "  … and 81 more"
    assert len(stop.value.problems) == 101


def test_what_a_file_has_in_many_lines_is_told_once() -> None:
    problems = Problems()
    for line in range(1, 1234):
        problems.lose(HERE, line, "is not valid JSON")
    problems.lose(Path("b.jsonl"), 4, "is not valid JSON")
    problems.lose(Path("b.jsonl"), 5, "is not valid JSON")
    assert told(problems.found) == [
        "notes/a.jsonl:1: is not valid JSON (and in 2, 3, 4, 5, 1,228 more); skipped",
        "b.jsonl:4: is not valid JSON (and in 5); skipped",
    ]


def test_a_label_is_shown_unless_it_may_be_a_text() -> None:
    assert shown("Adverse-event") == "Adverse-event"
    assert shown("a\x1b[31mb") == "a?[31mb"
    assert shown("word " * 20) == "a label of 100 characters"
