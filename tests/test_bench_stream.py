"""What a run of the stream's benchmark measures, and in which order; nodes and engines are fakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from streamer import bench_bed, bench_stream
from streamer.bench_bed import Alone, Node, Read
from streamer.bench_figures import Figures
from streamer.bench_notes import BenchNote, Notes
from streamer.bench_stream import QUICK, Plan, StreamBench

ALONE_S, STREAM_S, TOKENS = 1.0, 1.25, 100


class FakeBed:
    """An engine, a node with its traffic, and notes; it keeps what was asked of each, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.rates: list[float] = []
        self.tokens_read = 0.0
        self.seen: set[str] = set()
        self.traffic = self

    def read(self, notes: Sequence[BenchNote]) -> Read:
        self.asked.append(("alone", len(notes)))
        return Read(ALONE_S, [TOKENS] * len(notes))

    def flood(self, notes: Sequence[BenchNote]) -> float:
        self.asked.append(("stream", len(notes)))
        new = [note for note in notes if note.id not in self.seen]
        self.seen.update(note.id for note in new)
        self.tokens_read += TOKENS * len(new)
        return STREAM_S if new else STREAM_S / 10

    def offer(self, notes: Sequence[BenchNote], per_second: float) -> list[float]:
        self.rates.append(per_second)
        return [float(number) for number in range(len(notes))]

    def take(self, count: int, lengths: Sequence[int]) -> list[BenchNote]:
        return [BenchNote(f"{len(self.asked)}-{number}", "text") for number in range(count)]


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter(range(1000))
    monkeypatch.setattr(bench_bed, "processor_seconds", lambda: {"engine": float(next(used))})


def measured(plan: Plan) -> tuple[FakeBed, Figures]:
    bed, figures = FakeBed(), Figures("", "", "fp32")
    bench = StreamBench(plan, cast(Alone, bed), cast(Notes, bed), lambda what: None)
    bench.main(cast(Node, bed), figures)
    return bed, figures


def plan(**fields: Any) -> Plan:
    base: dict[str, Any] = {"rounds": 4, "warm_ups": 0, "loads": (), "lengths": (), "warm": False}
    return Plan(**(base | fields))


def test_every_second_round_begins_with_the_stream() -> None:
    bed, figures = measured(plan())
    kinds = [kind for kind, _ in bed.asked[3:]]  # after the warm-up
    assert kinds == ["alone", "stream", "stream", "alone"] * 2
    assert figures.share_of_engine == pytest.approx(ALONE_S / STREAM_S)
    assert figures.rounds[0].processor == {"engine": 1.0}


def test_a_half_has_as_many_notes_as_the_engine_reads_in_its_seconds() -> None:
    _, figures = measured(plan(rounds=1, seconds=30.0))
    pace = bench_stream.WARM_UP * TOKENS / ALONE_S
    assert figures.rounds[0].notes == pytest.approx(30.0 * pace / 205, rel=0.03)


def test_latency_is_measured_under_a_share_of_what_the_stream_did() -> None:
    bed, figures = measured(plan(rounds=1, loads=(0.5, 0.8)))
    capacity = figures.rounds[0].notes / STREAM_S
    assert bed.rates == pytest.approx([0.5 * capacity, 0.8 * capacity])
    assert [one.load for one in figures.latency] == [0.5, 0.8]
    assert figures.latency[0].p99 > figures.latency[0].p50


def test_known_notes_are_faster() -> None:
    _, figures = measured(plan(rounds=1, warm=True))
    assert figures.cached == pytest.approx(10)


def test_lengths_are_a_curve_of_their_own() -> None:
    _, figures = measured(plan(rounds=1, lengths=(50, 1000)))
    assert [one.value for one in figures.lengths] == [50, 1000]
    assert len(figures.rounds) == 1


def test_brokers_run_in_on_notes_that_cost_the_engine_nothing() -> None:
    bed, _ = measured(plan(rounds=1, warm_ups=3))
    assert [kind for kind, _ in bed.asked[:4]] == ["stream"] * 4
    assert bed.tokens_read == TOKENS * (bed.asked[0][1] + bed.asked[-1][1])


def test_other_nodes_vary_one_thing_each() -> None:
    bench = StreamBench(
        plan(more_workers=(2, 3), more_partitions=(1,)), cast(Alone, None), cast(Notes, None), print
    )
    assert bench.setups() == [(2, 4), (3, 4), (1, 1)]


def test_a_curve_has_the_point_of_its_node() -> None:
    bed, figures = FakeBed(), Figures("", "", "fp32")
    bench = StreamBench(plan(), cast(Alone, bed), cast(Notes, bed), lambda what: None)
    bench.swept(cast(Node, bed), 2, 4, figures)
    bench.swept(cast(Node, bed), 1, 12, figures)
    assert [one.value for one in figures.workers] == [2]
    assert [one.value for one in figures.partitions] == [12]


def test_the_first_node_is_a_point_of_every_curve_it_belongs_to() -> None:
    _, figures = measured(plan(more_workers=(2,), more_partitions=()))
    assert [(one.value, one.share_of_engine) for one in figures.workers] == [(1, figures.share_of_engine)]
    assert figures.partitions == []


def test_a_user_changes_some_of_a_plan() -> None:
    asked = bench_stream.plan(True, seconds=None, rounds=7)
    assert (asked.rounds, asked.seconds) == (7, QUICK.seconds)
    assert bench_stream.plan(False) == Plan()
