"""`streamer bench engine` and `bench peers`: what they say to people, and calls that are wrong."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from models.bench import run
from models.bench.peers import VARIANTS
from models.bench.report import Report, VariantFigures
from streamer import bench_engine, bench_peers, bench_plots
from streamer.errors import SettingError, WorldError


def figures(name: str, speed: float, precision: str = "fp32") -> VariantFigures:
    return VariantFigures(name, precision, speed, speed * 0.18, 0.9, 0.02, 0.5, [speed])


@pytest.fixture
def report() -> Report:
    return Report(
        "a processor",
        2,
        "bert-base (12 × 768)",
        gemm_gflops={"fp32": 155.0, "bf16": 375.0, "int8": 774.0},
        variants=[figures("ours-int8", 3300, "int8"), figures("pipeline-bs1", 736)],
        ratios={"ours-int8/pipeline-bs1": 4.484},
        missing={"infinity": "make its environment with `streamer bench peers`"},
        inside={"ours-int8": {"batch_fill": 0.985, "busy": 0.999}},
        profile={"variant": "ours-int8", "parts": {"trunk": 0.97}, "operators": {}},
        latency=[{"load": 0.8, "tokens_per_second": 2600.0, "p50_ms": 300.0, "p99_ms": 900.0}],
        lengths=[{"tokens": 500.0, "seconds": 0.2, "microseconds_per_token": 400.0}],
        readers=[{"readers": 1.0, "tokens_per_second": 1700.0}],
        stat={"p99_batches": 1.9},
        host={"microseconds_per_note": 431.2},
        notes=["something to know"],
    )


def printed(report: Report) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in bench_engine.tables(report):
        console.print(table)
    console.file.close()
    return console.export_text()


def test_a_person_sees_speeds_ratios_peaks_and_who_is_missing(report: Report) -> None:
    text = printed(report)
    for said in (
        *(
            "3,300",
            "4.48 ×",
            "fp32 155",
            "90% (int8)",
            "infinity",
            "streamer bench peers",
            "something to know",
        ),
        *("98.5%, 99.9%", "1.9 batch times", "trunk 97%", "431 µs", "80%", "900"),
    ):
        assert said in text


def test_a_run_in_which_nothing_could_be_measured_still_has_its_table() -> None:
    assert "install ray[serve]" in printed(Report("a", 1, "b", missing={"ray-serve": "install ray[serve]"}))


def test_a_variant_that_does_not_exist_is_a_wrong_call() -> None:
    assert bench_engine.variants([]) == VARIANTS
    assert [one.name for one in bench_engine.variants(["ours-int8"])] == ["ours-int8"]
    with pytest.raises(SettingError, match="--only ours-int9: there are ours-fp32"):
        bench_engine.variants(["ours-int9"])


def test_the_plan_is_the_quick_or_the_whole_one_with_what_was_asked_for() -> None:
    assert bench_engine.plan(False, "bert-base", None, None) == run.Plan()
    assert bench_engine.plan(True, "bert-base", None, 9.0).seconds == 9.0
    assert bench_engine.plan(True, "checkpoint", 7, None).rounds == 7


def test_plots_without_matplotlib_are_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_plots, "find_spec", lambda _: None)
    with pytest.raises(SettingError, match="matplotlib"):
        bench_engine.run(run.QUICK, None, plots=Path("/nowhere"))


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs matplotlib")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_each_curve_is_a_picture(report: Report, tmp_path: Path) -> None:
    files = bench_plots.draw(report, tmp_path / "plots")
    assert sorted(path.name for path in files) == [
        f"bench-engine-{name}.png" for name in ("latency", "lengths", "readers", "variants")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)
    report.latency = []
    assert len(bench_plots.draw(report, tmp_path / "fewer")) == 3
    (tmp_path / "file").touch()
    with pytest.raises(WorldError, match="cannot be written"):
        bench_plots.draw(report, tmp_path / "file")


def test_an_environment_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def fail(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        (tmp_path / "infinity.part").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, len(asked) - 1, "", "line\nno such package\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(WorldError, match="could not be installed: no such package"):
        bench_peers.make_infinity(tmp_path / "infinity")
    assert list(tmp_path.iterdir()) == []
    assert any(word.startswith("torch==") for word in asked[1])


def test_an_environment_is_there_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert not (tmp_path / "infinity").exists()
        (tmp_path / "infinity.part" / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / "infinity.part" / "bin" / "python").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", make)
    infinity = next(one for one in VARIANTS if one.name == "infinity")
    assert "streamer bench peers" in str(bench_peers.missing(infinity, tmp_path))
    bench_peers.make_infinity(tmp_path / "infinity")
    assert bench_peers.missing(infinity, tmp_path) is None
