"""The rows themselves: all thirty are accounted for, and one that goes wrong does not hold."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from streamer import formats
from streamer.chaos import canaries, rows_worker, running
from streamer.chaos.account import Sent
from streamer.chaos.bed import Bed, Plan, Stage
from streamer.chaos.notes import loads, texts
from streamer.chaos.reader import Seen
from streamer.chaos.rows import LONG_S, ROWS, SHORT_S, Row, chosen
from streamer.chaos.rows_brokers import java_hash
from streamer.chaos.rows_load import slope
from streamer.chaos.rows_notes import MALFORMED
from streamer.chaos.running import REST_S
from streamer.chaos.trial import BACKLOG, Trial
from streamer.chaos.waiting import NotInTime, wait_until
from streamer.cli import app
from streamer.errors import NoteError, SettingError, WorldError
from streamer.topics import Headers

TESTS = Path(__file__).parent


class NoBed:
    """Enough of one for rows that use no server."""

    plan = Plan(notes=50)

    def kill(self) -> None:
        return

    def drop(self, name: str) -> None:
        return


def run_row(run: Any) -> Any:
    return running.run_row(Row("1", "a fault", "it passes", run), cast(Bed, NoBed()))


@pytest.mark.parametrize(
    ("plan", "at_least"),
    [(Plan(), SHORT_S), (Plan(long=True), LONG_S), (Plan(long=True, soak_s=36_000), 36_000 + REST_S)],
)
def test_a_row_has_the_time_of_its_form_and_the_soak_its_own_length_and_more(
    plan: Plan, at_least: float
) -> None:
    left: list[float] = []
    bed = SimpleNamespace(plan=plan, kill=print, drop=print)
    running.run_row(
        Row("1", "a fault", "it passes", lambda trial: left.append(trial.patience(math.inf))), cast(Bed, bed)
    )
    assert left == [pytest.approx(at_least, abs=5)]


def test_all_thirty_are_there_in_order_and_each_is_run_by_one_of_two_ways() -> None:
    assert [row.number for row in ROWS] == [str(number) for number in range(1, 31)]
    for row in ROWS:
        assert bool(row.run) + bool(row.tests) == 1


@pytest.mark.parametrize("named", [name for row in ROWS for name in row.tests])
def test_the_tests_that_a_row_names_exist(named: str) -> None:
    file, _, function = named.partition("::")
    assert f"def {function}" in (TESTS / file).read_text()


def test_rows_are_chosen_by_number_in_the_tables_order() -> None:
    assert [row.number for row in chosen(["9", "2"])] == ["2", "9"]
    assert len(chosen([])) == 30
    with pytest.raises(SettingError, match="31 is no row"):
        chosen(["1", "31"])


@pytest.mark.parametrize("error", [WorldError("no broker answers"), NotInTime("no broker answers")])
def test_a_row_that_breaks_off_does_not_hold_and_says_why(error: Exception) -> None:
    def breaks(trial: Trial) -> None:
        raise error

    result = run_row(breaks)
    assert (result.verdict, result.said) == ("does not hold", "no broker answers")


def test_an_unforeseen_error_in_a_row_is_its_place_and_not_its_message() -> None:
    def breaks(trial: Trial) -> None:
        raise ZeroDivisionError("this may quote a note")

    result = run_row(breaks)
    assert result.verdict == "does not hold"
    assert "ZeroDivisionError at " in result.said
    assert "quote" not in result.said


def test_a_row_whose_time_is_over_waits_no_more() -> None:
    trial = Trial(cast(Bed, NoBed()), "01", 0.0)
    with pytest.raises(NotInTime):
        trial.patience()
    with pytest.raises(NotInTime, match="the moon: not within 0 s"):
        wait_until(lambda: False, 0.0, "the moon")
    assert wait_until(lambda: True, 0.0, "the sun") < 60


def test_the_same_seed_strikes_at_the_same_moments() -> None:
    trials = [Trial(cast(Bed, NoBed()), row, 60) for row in ("01", "01", "02")]
    first, again, other = [trial.shares(5) for trial in trials]
    assert first == again == sorted(first)
    assert first != other


class Flow(Trial):
    """A row whose notes come out as soon as they are waited for, or `early`: all at once."""

    def __init__(self, early: Sequence[bool] = ()) -> None:
        bed = SimpleNamespace(plan=Plan(notes=5_000), forget=list)
        super().__init__(cast(Bed, bed), "01", 60.0)
        self.out = self.most = 0
        self.early = list(early)

    @property
    def seen(self) -> int:
        return self.out

    def send(self, count: int) -> None:
        self.sent += [cast(Sent, None)] * count
        self.most = max(self.most, len(self.sent) - self.out)

    def wait_for(self, count: float) -> None:
        over = bool(self.early) and self.early.pop(0)
        self.out = max(self.out, len(self.sent) if over else int(count))


def test_a_stream_keeps_few_notes_waiting() -> None:
    flow = Flow()
    flow.stream(1_000)
    flow.stream(900)
    assert (len(flow.sent), flow.most) == (1_000, BACKLOG)


def test_a_fault_strikes_while_notes_are_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_worker, "aim", lambda trial, half: 7)
    flow = Flow(early=[True])  # the first try comes too late
    assert rows_worker.in_midstream(flow, "worker", 0.25) == 7
    assert (len(flow.sent), flow.out) == (2 * BACKLOG, BACKLOG + BACKLOG // 4)
    with pytest.raises(NotInTime, match="over before"):
        rows_worker.in_midstream(Flow(early=[True] * 9), "worker", 0.25)


@pytest.mark.parametrize(
    ("lost", "left", "verdict"),
    [
        (0, [], "holds"),
        (1, [], "does not hold"),
        (0, [("node.log", canaries.NAME.encode())], "does not hold"),
    ],
)
def test_a_row_holds_only_if_every_note_came_out_and_nothing_was_left_behind(
    lost: int, left: list[tuple[str, bytes]], verdict: str
) -> None:
    sent = [Sent(own, f"0/{number}") for number, own in enumerate(loads("01", 5, texts(5, 1), 1))]
    seen = Seen(times=Counter(own.load.id for own in sent[lost:]))
    stage = SimpleNamespace(name="main", processes=[], reader=SimpleNamespace(seen=seen))
    dropped: list[str] = []
    bed = SimpleNamespace(
        plan=NoBed.plan, kill=print, forget=list, drop=dropped.append, left_behind=lambda stage: left
    )

    def runs(trial: Trial) -> None:
        trial.on(cast(Stage, stage), compare=False)
        trial.sent += sent

    result = running.run_row(Row("1", "a fault", "it passes", runs), cast(Bed, bed))
    assert (result.verdict, result.lost, result.notes) == (verdict, lost, 5)
    assert dropped == ([] if verdict == "holds" else ["main"])
    assert canaries.NAME not in result.said


@pytest.mark.parametrize(
    ("long", "recovers", "pause", "verdict"),
    [
        (True, True, 14.9, "holds"),
        (True, True, 15.1, "does not hold"),
        (False, True, 59.9, "holds"),
        (False, True, 60.1, "does not hold"),
        (True, False, 60.1, "holds"),
    ],
)
def test_a_row_that_must_recover_holds_only_if_notes_flow_again_in_time(
    long: bool, recovers: bool, pause: float, verdict: str
) -> None:
    sent = [Sent(own, f"0/{number}") for number, own in enumerate(loads("01", 2, texts(2, 1), 1))]
    names = [own.load.id for own in sent]
    seen = Seen(times=Counter(names), moments=dict(zip(names, (99.0, 100.0 + pause), strict=True)))
    stage = SimpleNamespace(name="main", processes=[], reader=SimpleNamespace(seen=seen))
    bed = SimpleNamespace(
        plan=Plan(long=long), kill=print, forget=list, drop=print, left_behind=lambda stage: []
    )

    def runs(trial: Trial) -> None:
        trial.on(cast(Stage, stage), compare=False)
        trial.sent += sent
        trial.faults.append(100.0)

    row = Row("1", "a kill", "it passes", runs, recovers=recovers)
    assert running.run_row(row, cast(Bed, bed)).verdict == verdict
    assert ("15 s" in row.condition) == recovers


def test_rows_without_servers_need_none() -> None:
    report = running.new_report(NoBed.plan)
    running.run_rows([Row("30", "soak", "hours", long_only=True)], NoBed.plan, report, lambda doing: None)
    assert [(own.verdict, own.said) for own in report.results] == [("not run", "only with --long")]


def test_a_row_of_unit_tests_is_run_where_they_are_and_named_where_they_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("def test_good(): pass\ndef test_bad(): assert False\n")
    monkeypatch.setattr(running, "TESTS", tmp_path / "tests")
    verdicts = {
        name: running.without_servers(Row("15", "a lie", "a miss", tests=(name,))).verdict
        for name in ("test_it.py::test_good", "test_it.py::test_bad", "test_other.py")
    }
    assert verdicts == {
        "test_it.py::test_good": "holds",
        "test_it.py::test_bad": "does not hold",
        "test_other.py": "not run",
    }


def test_the_command_lists_rows_and_refuses_what_is_none() -> None:
    shown = CliRunner().invoke(app, ["chaos", "--list"]).output
    assert len(re.findall(r"^\d+ ", shown, re.MULTILINE)) == 30
    refused = CliRunner().invoke(app, ["chaos", "77"])
    assert isinstance(refused.exception, SettingError)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("hello", 99_162_322),
        ("The quick brown fox jumps over the lazy dog", 609_428_141),
        ("polygenelubricants", 0),
    ],
)
def test_kafkas_hash_of_a_transactional_id(text: str, number: int) -> None:
    """As `Utils.abs` of Java's `hashCode`; the last two are negative there, and one has no opposite."""
    assert java_hash(text) == number


@pytest.mark.parametrize(("value", "reason", "headers"), MALFORMED)
def test_every_malformed_message_is_one_of_the_reason_named(
    value: bytes, reason: str, headers: Headers
) -> None:
    content_type = dict(headers).get("content-type")
    with pytest.raises(NoteError) as refused:
        formats.decode(value, content_type.decode() if content_type else None, "notes/0/0")
    assert refused.value.reason == reason


def test_a_slope_is_that_of_the_line() -> None:
    assert slope([]) == slope([(1.0, 5.0)]) == 0.0
    assert slope([(0.0, 1.0), (10.0, 6.0), (20.0, 11.0)]) == pytest.approx(0.5)
    assert slope([(float(at), 5.0 if at == 3 else 0.5 * at) for at in range(9)]) == pytest.approx(0.5)
