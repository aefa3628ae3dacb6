"""What the comparison of deliveries measures, in which order, and what it makes of it; services are fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest
from rich.console import Console

from streamer import bench_bed, bench_delivery
from streamer.bench_delivery import AT_LEAST, EXACTLY, QUICK, Case, Plan
from streamer.bench_notes import BenchNote, Notes
from streamer.bench_traffic import Traffic

SECONDS = {EXACTLY: 0.011, AT_LEAST: 0.01}
"""A note."""


class Services:
    """Both, and the notes; what was asked of each, in order."""

    def __init__(self) -> None:
        self.started: list[tuple[int, str]] = []
        self.floods: list[tuple[str, list[str]]] = []
        self.rates: list[float] = []
        self.made = 0

    @contextmanager
    def line(self, partitions: int, delivery: str) -> Iterator[Traffic]:
        self.started.append((partitions, delivery))
        yield cast(Traffic, _Traffic(self, delivery))

    def take(self, count: int, lengths: Sequence[int]) -> list[BenchNote]:
        self.made += count
        return [BenchNote(f"{self.made - n}", "text") for n in range(count)]


class _Traffic:
    def __init__(self, services: Services, delivery: str) -> None:
        self._services, self._delivery = services, delivery

    def flood(self, notes: Sequence[BenchNote]) -> float:
        self._services.floods.append((self._delivery, [note.id for note in notes]))
        return SECONDS[self._delivery] * len(notes)

    def offer(self, notes: Sequence[BenchNote], per_second: float) -> list[float]:
        self._services.rates.append(per_second)
        return [5.0] * len(notes)


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter(range(10_000))
    monkeypatch.setattr(
        bench_bed, "processor_seconds", lambda: {"workers": float(next(used)), "kafka": 0.0, "redis": 9.0}
    )


def measured(pipeline: str = "stand-in", **fields: Any) -> tuple[Services, list[Case]]:
    base: dict[str, Any] = {"rounds": 3, "seconds": 2.0, "warm_ups": 0, "tokens": (50,), "partitions": (8,)}
    services = Services()
    plan = Plan(**(base | fields))
    cases = bench_delivery.measured(pipeline, plan, services.line, cast(Notes, services), lambda what: None)
    return services, list(cases)


def test_the_same_notes_go_both_ways_in_turn() -> None:
    services, (case,) = measured()
    rounds = services.floods[-6:]
    assert [mode for mode, _ in rounds] == [AT_LEAST, EXACTLY, EXACTLY, AT_LEAST, AT_LEAST, EXACTLY]
    assert all(own == rounds[0][1] for _, own in rounds)
    assert case.ratios == pytest.approx([1.1] * 3)
    assert case.processor_ratio == 1.0
    assert case.notes == pytest.approx(2.0 / SECONDS[AT_LEAST], rel=0.01)


def test_an_engine_is_given_notes_that_are_in_no_cache() -> None:
    services, _ = measured("engine")
    first, second = services.floods[-6:-4], services.floods[-4:-2]
    assert first[0][1] == first[1][1]
    assert not set(first[0][1]) & set(second[0][1])


def test_what_grows_is_one_thing_at_a_time() -> None:
    services, cases = measured(tokens=(50, 500, 5_000), partitions=(8, 1, 64))
    found = [(own.tokens, own.partitions) for own in cases]
    assert found == [(50, 8), (500, 8), (5_000, 8), (500, 1), (500, 64)]
    assert services.started == [(n, mode) for n in (8, 1, 64) for mode in (EXACTLY, AT_LEAST)]
    assert cases[2].notes <= bench_delivery.MOST_TOKENS // 5_000


def test_latency_is_measured_at_the_same_rate_for_both() -> None:
    services, (case,) = measured()
    assert services.rates == pytest.approx([0.2 / SECONDS[AT_LEAST]] * 2)
    assert case.latency_ms == {mode: {"p50": 5.0, "p99": 5.0} for mode in (EXACTLY, AT_LEAST)}


def test_the_object_and_the_table_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_bed, "device_name", lambda of: "a processor")
    of = cast(Any, type("Shape", (), {"name": "mini", "precision": "int8"}))
    _, cases = measured()
    found = bench_delivery.as_dict(cases, of)
    assert json.loads(json.dumps(found)) == found
    assert found["ratios"] == {"exactly-once/at-least-once, stand-in, 50 tokens, 8 partitions": 1.1}
    assert found["cases"][0]["range"] == [1.1, 1.1]
    console = Console(width=80)  # where nothing is cut off
    with console.capture() as captured:
        console.print(bench_delivery.table(cases, of))
    assert "× 1.10" in captured.get()
    assert "…" not in captured.get()


def test_a_user_changes_some_of_a_plan() -> None:
    assert bench_delivery.plan(True, seconds=None, rounds=9).rounds == 9
    assert bench_delivery.plan(True, rounds=None) == QUICK
    assert bench_delivery.plan(False) == Plan()
