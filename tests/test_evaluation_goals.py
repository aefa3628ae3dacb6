"""The table of figures to reach, and tables of scores: what is told of counts."""

from __future__ import annotations

import json
from functools import partial

import pytest

from models.evaluation.bootstrap import Difference, Figure
from models.evaluation.counts import Threes, tally
from models.evaluation.goals import GOALS, MACRO, MICRO, Goal, compared, picked, reached
from models.evaluation.measures import Measure
from models.evaluation.report import Row, Score, table, total

FEW = 200


def measure(corpus: str, task: str, *rows: tuple[str, Threes]) -> Measure:
    return Measure(corpus, task, "by hand", len(rows), tally(rows))


ENTITIES = measure(
    "bc5cdr",
    "entities",
    *((str(n), {"MEDICATION": (4, 4, 4), "PROBLEM": (4, 4, 2)}) for n in range(5)),
    ("9", {"MEDICATION": (5, 5, 0)}),
)
BETTER = measure(
    "bc5cdr",
    "entities",
    *((str(n), {"MEDICATION": (4, 4, 4), "PROBLEM": (4, 4, 3)}) for n in range(5)),
    ("9", {"MEDICATION": (5, 5, 0)}),
)


def rows(
    *found: Measure, against: Measure | None = None, missing: dict[str, str] | None = None
) -> dict[str, Row]:
    other = {against.key: against} if against else None
    return {row.task: row for row in reached({m.key: m for m in found}, other, missing or {}, FEW)}


def test_every_goal_has_its_row_in_order() -> None:
    assert [row.task for row in reached({}, None, {}, FEW)] == [goal.task for goal in GOALS]


def test_a_row_is_a_figure_in_per_cent_with_its_interval_and_what_it_is_of() -> None:
    drugs, problems = rows(ENTITIES)["BC5CDR chemicals"], rows(ENTITIES)["BC5CDR diseases"]
    assert drugs.figure.value == pytest.approx(80)
    assert drugs.figure.low is not None
    assert drugs.figure.low < 80
    assert (drugs.items, drugs.documents, drugs.reached) == (25, 6, False)
    assert drugs.note == "fewer than 20 documents: the interval is not to be trusted"
    assert problems.figure.value == problems.figure.low == 50
    perfect = rows(measure("ncbi-disease", "entities", ("1", {"PROBLEM": (9, 10, 9)})))["NCBI-disease"]
    assert perfect.reached


def test_a_row_that_was_not_measured_says_why() -> None:
    missing = {"phee": "data/phee is missing", "bc5cdr/relations of codes": "nobody scores them"}
    told = rows(ENTITIES, missing=missing)
    assert told["PHEE drug + effect"].note == "data/phee is missing"
    assert told["CID with gold entities (BC5CDR)"].note == "nobody scores them"
    assert told["NCBI-disease"].note == "no head"
    assert told["NCBI-disease"].reached is None
    only = measure("bc5cdr", "entities", ("1", {"PROBLEM": (1, 1, 1)}))
    assert rows(only)["BC5CDR chemicals"].note == "no head"
    nothing = measure("negex", "temporality", ("1", {"past": (0, 0, 0)}))
    assert rows(nothing)["historical (NegEx)"].note == "nothing of it in these documents"
    many = measure("bc5cdr", "entities", *((str(n), {"PROBLEM": (1, 1, 1)}) for n in range(20)))
    assert rows(many)["BC5CDR diseases"].note == ""


def test_two_checkpoints_stand_side_by_side() -> None:
    told = rows(ENTITIES, against=BETTER)
    other = told["BC5CDR diseases"].against
    assert other is not None
    assert (other.first, other.second, other.value) == (50, 75, 25)
    assert other.p is not None
    assert other.p < 0.2  # five documents: 2 of 32 swaps are as large
    same = told["BC5CDR chemicals"].against
    assert same is not None
    assert (same.value, same.p) == (0, 1)
    alone = rows(measure("phee", "events"), against=ENTITIES)["BC5CDR diseases"].against
    assert alone == Difference(None, 50, None, None, None, None)  # what this one cannot do at all


def test_micro_macro_or_one_label_is_picked() -> None:
    for of, value in ((MICRO, 2 * 30 / 90), (MACRO, (0.8 + 0.5) / 2), ("PROBLEM", 0.5)):
        counts, formula = picked(ENTITIES, of)
        assert float(formula(counts.sums)) == pytest.approx(value)
    assert picked(ENTITIES, "AGE")[0].labels == ()
    gone = compared(
        ENTITIES, measure("bc5cdr", "entities", *((g, {}) for g in ENTITIES.tally.groups)), MICRO, FEW
    )
    assert gone.value is None


def test_goals_that_are_bounds_from_above_are_reached_from_below() -> None:
    row = partial(Row, "size", 25.0, "MB", True, items=0, documents=0)
    assert row(figure=Figure(24.0)).reached
    assert not row(figure=Figure(26.0)).reached
    assert Goal("t", "c", "m", MICRO, 1.0) not in GOALS


def test_a_table_has_scores_with_intervals_and_becomes_json() -> None:
    told = table(ENTITIES, FEW)
    assert [(s.label, s.gold, s.found, s.right) for s in told.scores] == [
        ("MEDICATION", 25, 25, 20),
        ("PROBLEM", 20, 20, 10),
    ]
    assert (told.micro.gold, told.micro.right, told.groups) == (45, 30, 6)
    assert told.macro.value == pytest.approx(0.65)
    whole = json.loads(json.dumps(told.as_dict()))
    assert whole["scores"][0]["f1"] == 0.8
    assert whole["scores"][0]["interval"][0] < 0.8
    assert whole["micro"]["precision"] == pytest.approx(30 / 45, abs=1e-4)


def test_labels_that_nobody_speaks_of_have_no_row() -> None:
    own = Measure("c", "t", "", 1, tally([("1", {"X": (1, 1, 1)})], ["X", "Y"]))
    assert [one.label for one in table(own, FEW).scores] == ["X"]


def test_counts_of_several_tables_are_added() -> None:
    assert total("both", [Score("a", 4, 3, 2), Score("b", 1, 1, 1)]) == Score("both", 5, 4, 3)
    assert total("none", []) == Score("none", 0, 0, 0)
    assert (Score("a", 4, 3, 2).precision, Score("a", 4, 3, 2).recall) == (2 / 3, 0.5)
    assert Score("a", 0, 0, 0).f1 == 0
