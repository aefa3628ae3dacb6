"""The whole benchmark with peers that only pretend: what is missing is named, what fails does not stop it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.bench import curves, run
from models.bench.peers import VARIANTS, Variant
from models.bench.report import Report
from tests.checkpoints import TEXT, streamer_folder

FAKE = """
import os, signal

class Fake:
    def missing(self, cache): return GONE
    def start(self, work):
        self.speed, self.left = work.options.get("speed", 1.0), work.options.get("reads", 99)
    def read(self, first, count):
        self.left -= 1
        if self.left < 0: os.kill(os.getpid(), signal.SIGKILL)
        return self.speed
    def peaks(self, seconds): return {"fp32": 100.0, "bf16": 200.0, "int8": 400.0}
    def chosen(self): return {"fp32": "a shape"}
    def inside(self): return {"batch_fill": 0.98, "busy": 1.0}
    def latency(self, load, seconds): return {"p50_ms": 1.0, "p99_ms": 2.0, "passages": 10}
    def stat(self, count): return {"p99_batches": 2.0}
    def readers(self, count, first, items): return count * 10.0
    def note(self, text): return {"seconds": 0.5, "tokens": 100.0, "passages": 1.0}
    def profile(self, first, count): return {"parts": {"trunk": 0.9}, "operators": {}}
    def soak(self, total): return {"passages": total, "megabytes": [1.0] * 10, "faults": 0}
    def stop(self): pass

PEER = Fake
"""


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Variant, ...]:
    for name, gone in (("here", "None"), ("away", "'install it so'")):
        (tmp_path / f"{name}.py").write_text(FAKE.replace("GONE", gone))
    here, away = str(tmp_path / "here"), str(tmp_path / "away")
    monkeypatch.setattr(run, "GEMM", Variant("gemm", here))
    return (
        Variant("ours-fp32", here, options={"speed": 200.0}),
        Variant("ours-int8", here, "int8", {"speed": 800.0}),
        Variant("slow", here, options={"speed": 100.0}, batch=8),
        Variant("dies", here, options={"speed": 100.0, "reads": 3}),
        Variant("away", away),
    )


@pytest.fixture
def report(tmp_path: Path, fakes: tuple[Variant, ...]) -> Report:
    streamer_folder(tmp_path / "tiny")
    plan = replace(
        run.Plan(), shape="checkpoint", rounds=3, lengths=(10, 10**9), variants=fakes, device="cpu"
    )
    told: list[run.Told] = []
    benchmark = run.Benchmark(plan, [TEXT], tmp_path / "cache", told.append, str(tmp_path / "tiny"))
    report = benchmark.run()
    assert [one.done for one in told] == list(range(len(told)))
    assert len(told) <= told[0].total
    return report


def test_figures_ratios_and_shares(report: Report) -> None:
    by_name = {one.name: one for one in report.variants}
    assert by_name["ours-int8"].tokens_per_second == 800
    flop = report.mixture["mflop_per_token"] * 1e6
    assert by_name["ours-int8"].share_of_peak == pytest.approx(800 * flop / 400e9)
    assert by_name["slow"].share_of_peak == pytest.approx(100 * flop / 100e9)
    assert (by_name["slow"].padding or 0) > 0.3
    assert by_name["ours-fp32"].padding == 0
    assert report.ratios["ours-int8/slow"] == 8
    assert report.ratios["ours-fp32/ours-int8"] == 0.25
    assert report.gemm_gflops == {"fp32": 100, "bf16": 200, "int8": 400}
    assert report.best is by_name["ours-int8"]


def test_who_is_missing_or_fails_is_named_with_the_reason(report: Report) -> None:
    assert report.missing["away"] == "install it so"
    assert "SIGKILL" in report.missing["dies"]
    assert len(next(one for one in report.variants if one.name == "dies").rounds) == 1
    assert all(len(one.rounds) == 3 for one in report.variants if one.name != "dies")


def test_curves_are_of_our_fastest_and_a_note_that_takes_too_long_is_left_out(report: Report) -> None:
    assert report.profile["variant"] == "ours-int8"
    assert [one["load"] for one in report.latency] == list(run.Plan().loads)
    assert report.latency[-1]["tokens_per_second"] == 800
    assert [one["tokens"] for one in report.lengths] == [100.0]
    assert report.readers[0]["readers"] == 1
    assert report.stat == {"p99_batches": 2.0}


def test_the_json_has_what_the_contract_names(report: Report) -> None:
    found: dict[str, Any] = json.loads(json.dumps(report.as_dict()))
    assert {"device", "shape", "gemm_gflops", "variants", "ratios", "host"} <= set(found)
    assert {"name", "tokens_per_second", "gflops", "share_of_peak"} <= set(found["variants"][0])


def test_a_soak_asks_the_first_variant(tmp_path: Path, fakes: tuple[Variant, ...]) -> None:
    streamer_folder(tmp_path / "tiny")
    plan = replace(run.Plan(), shape="checkpoint", variants=fakes[:1], device="cpu")
    found = run.Benchmark(plan, [TEXT], tmp_path / "cache", lambda _: None, str(tmp_path / "tiny")).soak(50)
    assert found["variant"] == "ours-fp32"
    assert found["passages"] == 50


def test_readers_double_up_to_one_a_core() -> None:
    assert curves.reader_counts(1) == [1]
    assert curves.reader_counts(2) == [1, 2]
    assert curves.reader_counts(6) == [1, 2, 4, 6]


def test_every_variant_has_its_file_and_says_without_its_library_how_to_get_it() -> None:
    from models.bench.child import load_peer

    for variant in VARIANTS:
        peer = load_peer(variant.file)
        reason = peer.missing("/nowhere")
        assert reason is None or "`" in reason or "install" in reason
