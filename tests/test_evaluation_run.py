"""The whole way: tiny checkpoints read tiny corpora, and their report is whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from models.checkpoint import Checkpoint
from models.corpora.scheme import Labelled
from models.errors import CheckpointError
from models.evaluation.goals import GOALS
from models.evaluation.related import Candidate
from models.evaluation.report import Report
from models.evaluation.run import run
from models.evaluation.selection import Held
from models.precision import Precision
from tests.checkpoints import huggingface_folder
from tests.corpora import data_root

pytestmark = pytest.mark.usefixtures("home", "no_names")

LABELS = ("O", "B-DISEASE", "I-DISEASE", "B-MEDICATION", "I-MEDICATION", "B-AGE", "I-AGE")
FEW = 50


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = data_root(tmp_path_factory.mktemp("data"))
    (root / "mts-dialog").mkdir()
    (root / "mts-dialog" / "train.csv").write_text(
        "ID,section_header,section_text,dialogue\n0,CC,Chest pain since Monday.,\n1,PLAN,Aspirin daily.,\n"
    )
    (root / "mts-dialog" / "validation.csv").write_text("ID,section_header,section_text,dialogue\n")
    return root


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("spans"), labels=LABELS)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("other"), labels=LABELS, seed=7)


@pytest.fixture(scope="module")
def report(spans: Path, root: Path) -> Report:
    return run(spans, root, "all", device="cpu", resamples=FEW)


def test_the_goals_come_first_each_with_a_figure_or_the_reason(report: Report) -> None:
    told = {row.task: row for row in report.goals}
    assert [row.task for row in report.goals[: len(GOALS)]] == [goal.task for goal in GOALS]
    assert told["BC5CDR chemicals"].items == 4
    assert told["BC5CDR chemicals"].figure.value is not None
    assert told["MACCROBAT, 12 types, strict"].items == 6
    assert told["PHEE drug + effect"].items == 3
    assert told["CID with gold entities (BC5CDR)"].note == "no head"
    assert told["F1 lost to computing in int8"].figure.value is None
    assert "asq-phi is missing" in told["PHI, asq-phi, strict"].note
    assert told["F1 lost to the storage format"].note == "its manifest does not say"
    assert told["size"].reached


def test_every_corpus_has_its_tables(report: Report) -> None:
    tables = {(table.corpus, table.task): table for table in report.tables}
    assert {s.label: s.gold for s in tables["bc5cdr", "entities"].scores} == {"MEDICATION": 4, "PROBLEM": 8}
    assert ("negex", "certainty") in tables
    assert ("mts-dialog", "section") not in tables  # no head
    assert [one.head for one in report.calibration] == sorted(one.head for one in report.calibration)
    assert "entities" in {one.head for one in report.calibration}
    assert any("mtsamples is missing" in line for line in report.skipped)
    assert "mts-dialog not read: no head for its labels (section)" in report.skipped
    assert report.there == report.documents + 2


def test_a_report_is_json_and_says_the_same_every_time(report: Report, spans: Path, root: Path) -> None:
    whole = json.loads(json.dumps(report.as_dict()))
    assert whole["documents"] == report.documents > 10
    assert {"goals", "tables", "calibration", "skipped", "part", "seed", "share"} <= whole.keys()
    again = run(spans, root, "all", device="cpu", resamples=FEW)
    assert again.figures() == report.figures()


def test_progress_counts_every_text_of_both_checkpoints(spans: Path, other: Path, root: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = run(
        spans, root, "all", corpora=["bc5cdr", "phee"], against=other, device="cpu", resamples=FEW,
        on_progress=lambda done, every: seen.append((done, every)),
    )  # fmt: skip
    assert seen == [(4, 12), (6, 12), (10, 12), (12, 12)]
    assert report.against is not None
    assert report.against["fingerprint"] != report.fingerprint
    keys = {(one.corpus, one.task, one.figure) for one in report.comparisons}
    assert {("bc5cdr", "entities", of) for of in ("micro", "macro")} <= keys
    assert ("phee", "events", "micro") in keys
    assert all(one.difference.p is None or 0 < one.difference.p <= 1 for one in report.comparisons)
    told = {row.task: row for row in report.goals}
    assert told["BC5CDR diseases"].against is not None
    assert told["size"].against is not None
    assert told["size"].against.value == 0
    assert "against" in report.as_dict()


def test_a_checkpoint_against_itself_differs_in_nothing(spans: Path, root: Path) -> None:
    report = run(spans, root, "all", corpora=["bc5cdr"], against=spans, device="cpu", resamples=FEW)
    values = {one.difference.value for one in report.comparisons}
    assert values <= {0, None}
    assert 0 in values


def test_of_checkpoints_that_hold_out_otherwise_it_is_said(
    spans: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter((0.5, 0.9))
    monkeypatch.setattr("models.evaluation.run.held_by", lambda _: Held("s", next(shares)))
    report = run(spans, root, corpora=["bc5cdr"], against=spans, device="cpu", resamples=FEW)
    assert "they hold out 0.5 by s and 0.9 by s" in report.skipped[-1]


def test_a_checkpoint_of_classes_is_measured_on_classes_alone(
    tmp_path_factory: pytest.TempPathFactory, root: Path
) -> None:
    folder = huggingface_folder(
        tmp_path_factory.mktemp("classes"),
        "BertForSequenceClassification",
        ("chief_complaint", "plan", "exam"),
        task="topic",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.corpora.sections.MTS_DIALOG", {"CC": "chief_complaint", "PLAN": "plan"})
        report = run(folder, root, "all", corpora=["mts-dialog", "bc5cdr"], device="cpu", resamples=FEW)
    told = {row.task: row for row in report.goals}
    assert told["BC5CDR chemicals"].note == "no head"
    assert {table.corpus for table in report.tables} <= {"bc5cdr"}  # links alone need no head
    assert report.calibration == ()


class Everything:
    threshold = 0.5

    def score(self, text: str, spans: Sequence[Labelled]) -> Iterable[Candidate]:
        drug = next((at for at, span in enumerate(spans) if "MEDICATION" in span.allowed), None)
        return [] if drug is None else [Candidate("ADVERSE_EFFECT_OF", 1, drug, 0.9)]


def test_gold_entities_are_scored_by_whoever_can(
    spans: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.evaluation import run as module
    from models.evaluation.abilities import Abilities

    made: list[str] = []

    def scorer(checkpoint: Checkpoint, device: str, precision: Precision) -> Everything:
        made.append(checkpoint.name)
        return Everything()

    monkeypatch.setattr(module, "abilities", lambda _: Abilities(relations=frozenset({"ADVERSE_EFFECT_OF"})))
    report = run(spans, root, "all", corpora=["bc5cdr"], device="cpu", scorer=scorer, resamples=FEW)
    (row,) = (row for row in report.goals if row.task.startswith("CID"))
    assert (row.items, row.figure.value, len(made)) == (2, 50, 1)  # one pair's drug has another code


def test_calibration_is_told_of_documents_that_it_was_not_fitted_to(
    spans: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.evaluation.run.held_by", lambda _: Held("s", 1.0))
    monkeypatch.setattr("models.evaluation.run.fitted_by", lambda _: None)
    every = run(spans, root, corpora=["bc5cdr"], device="cpu", resamples=0)
    monkeypatch.setattr("models.evaluation.run.fitted_by", lambda _: Held("settled", 0.5))
    half = run(spans, root, corpora=["bc5cdr"], device="cpu", resamples=0)
    assert every.documents == half.documents
    assert every.tables == half.tables
    some, fewer = (sum(one.answers for one in own.calibration) for own in (every, half))
    assert 0 < fewer < some


def test_only_the_heads_that_are_wanted_are_asked(spans: Path, root: Path) -> None:
    report = run(spans, root, "all", heads=["tokens"], device="cpu", resamples=0)
    assert ("bc5cdr", "entities") in {(table.corpus, table.task) for table in report.tables}
    assert not any(table.task.startswith("linking") for table in report.tables)
    assert all(table.micro.figure.low is None for table in report.tables)
    with pytest.raises(CheckpointError, match="has no head 'relations'"):
        run(spans, root, "all", heads=["relations"], device="cpu")


def test_where_nothing_is_held_out_the_report_is_empty(spans: Path, root: Path) -> None:
    report = run(spans, root, held=Held("s", 0.0), device="cpu", resamples=FEW)
    assert (report.documents, report.tables, report.calibration) == (0, (), ())
    told = {row.task: row for row in report.goals}
    assert told["BC5CDR chemicals"].note == "none of its 4 texts is of this part"


def test_a_bare_base_is_refused(tmp_path: Path, root: Path) -> None:
    with pytest.raises(CheckpointError, match="bare base without heads"):
        run(huggingface_folder(tmp_path / "bare", "BertModel"), root, "all", device="cpu")
