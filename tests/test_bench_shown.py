"""What a user of `streamer bench stream` gets to see."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from models.bench.process import PeerFailed
from streamer import bench_shown, bench_stream
from streamer.bench_figures import Figures, Latency, Pair, Swept
from streamer.errors import SettingError, WorldError


@pytest.fixture
def figures() -> Figures:
    found = Figures("a processor", "bert-base", "int8")
    found.rounds = [Pair(10, 1000, 1.0, 1000, 1.25, {"engine": 1.0})]
    found.latency = [Latency(0.5, 5.0, 20.0, 45.0, 40), Latency(0.8, 8.0, 90.0, 200.0, 50)]
    found.lengths = [Swept(50, 0.7, 900.0), Swept(1000, 0.9, 1000.0)]
    return found


def test_curves_are_drawn_into_a_folder_that_is_made(figures: Figures, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = bench_shown.draw(figures, tmp_path / "plots")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_run_without_curves_can_be_drawn_too(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert bench_shown.draw(Figures("", "", "fp32"), tmp_path).is_file()


def test_plots_that_cannot_be_written_are_said_in_one_line(figures: Figures, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "plots").write_text("a file")
    with pytest.raises(WorldError, match="cannot be written"):
        bench_shown.draw(figures, tmp_path / "plots")


def test_without_matplotlib_nothing_is_measured_for_plots(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingError, match="need matplotlib"):
        bench_shown.run(bench_stream.QUICK, "checkpoint", None, "fp32", plots=tmp_path)


def test_a_precision_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(SettingError, match="precision"):
        bench_shown.run(bench_stream.QUICK, "checkpoint", None, "fp64")


def test_an_engine_that_fails_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Figures:
        raise PeerFailed("its process ended with SIGILL")

    monkeypatch.setattr(bench_stream, "run", fails)
    with pytest.raises(WorldError, match="cannot be measured: its process ended with SIGILL"):
        bench_shown.run(bench_stream.QUICK, "checkpoint", None, "fp32")
