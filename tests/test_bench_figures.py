"""The stream's figures: medians of rounds, under the names that scripts know."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from streamer.bench_figures import Figures, Latency, Pair, Scrape, Swept


def pair(engine_seconds: float, stream_seconds: float, read: float = 1000) -> Pair:
    return Pair(10, 1000, engine_seconds, read, stream_seconds, {"engine": 1.0, "workers": 0.02})


@pytest.fixture
def figures() -> Figures:
    found = Figures("a processor", "bert-base", "int8")
    found.rounds = [pair(1.0, 1.25), pair(2.0, 2.2), pair(1.0, 4.0)]
    found.latency = [Latency(0.8, 8.0, 90.0, 200.0, 50), Latency(0.5, 5.0, 20.0, 45.0, 40)]
    found.gemm_gflops = {"fp32": 10.0, "int8": 0.4}
    found.flop_per_token = 200_000.0
    return found


def test_the_share_is_the_median_of_the_rounds_own_shares(figures: Figures) -> None:
    assert figures.share_of_engine == pytest.approx(0.8)
    assert figures.as_dict()["ratios"] == {"stream-int8/engine-int8": 0.8}


def test_what_the_cache_spared_the_engine_is_no_speed_of_the_stream() -> None:
    assert pair(1.0, 1.0, read=900).share == pytest.approx(0.9)


def test_names_are_those_of_the_contract(figures: Figures) -> None:
    found = figures.as_dict()
    contract = {
        "device",
        "shape",
        "gemm_gflops",
        "variants",
        "ratios",
        "host",
        "latency_ms",
        "share_of_engine",
    }
    assert contract <= found.keys()
    assert {"name", "tokens_per_second", "gflops", "share_of_peak"} == found["variants"][0].keys()
    assert found["host"] == {"microseconds_per_note": 2000.0}
    assert json.loads(json.dumps(found)) == found


def test_the_latency_is_that_of_the_highest_load(figures: Figures) -> None:
    assert figures.as_dict()["latency_ms"] == {"p50": 90.0, "p99": 200.0}


def test_a_variant_is_shown_as_a_share_of_its_own_precisions_peak(figures: Figures) -> None:
    engine, stream = figures.as_dict()["variants"]
    assert engine == {"name": "engine-int8", "tokens_per_second": 1000.0, "gflops": 0.2, "share_of_peak": 0.5}
    assert stream["name"] == "stream-int8"
    figures.gemm_gflops.clear()
    assert figures.as_dict()["variants"][0]["share_of_peak"] is None


def test_only_what_was_measured_has_a_table(figures: Figures) -> None:
    assert len(figures.tables()) == 1
    figures.workers = [Swept(2, 0.7, 900.0)]
    figures.scrape = Scrape(0.99, [0.98, 0.99])
    console = Console(width=100)
    with console.capture() as captured:
        for table in figures.tables():
            console.print(table)
    shown = captured.get()
    assert "80.0%" in shown
    assert "20 / 45 ms" in shown
    assert "99.0%" in shown
    assert "workers" in shown


def test_nothing_measured_is_no_error() -> None:
    figures = Figures("a processor", "mini", "fp32")
    assert figures.as_dict()["share_of_engine"] == 0.0
    assert figures.tables()
