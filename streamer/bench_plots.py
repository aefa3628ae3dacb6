"""Benchmarks as PNG pictures; what is drawn of the engine's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.bench.report import Report
from streamer.errors import SettingError, WorldError

OURS, THEIRS = "#0b7285", "#adb5bd"


def require() -> None:
    """Raises `SettingError` where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise SettingError("plots need matplotlib: uv sync --group bench, or leave out --plots")


def draw(report: Report, folder: Path) -> list[Path]:
    """A PNG a curve that was measured; their paths. Raises `WorldError` where they cannot be written."""
    from matplotlib.figure import Figure

    pictures: dict[str, tuple[bool, Callable[[Any, Report], None]]] = {
        "variants": (bool(report.variants), _variants),
        "latency": (bool(report.latency), _latency),
        "lengths": (bool(report.lengths), _lengths),
        "readers": (bool(report.readers), _readers),
    }
    written = []
    for name, (measured, paint) in pictures.items():
        if not measured:
            continue
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        paint(axes, report)
        axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"{report.shape}, {report.device}, {report.cores} cores", fontsize=8, color="grey")
        written.append(save(figure, folder / f"bench-engine-{name}.png"))
    return written


def save(picture: Any, path: Path) -> Path:
    """A matplotlib figure as PNG; gives its path. Raises `WorldError` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.savefig(path, dpi=120)
    except OSError as error:
        raise WorldError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _variants(axes: Any, report: Report) -> None:
    shown = sorted(report.variants, key=lambda one: one.tokens_per_second)
    speeds = [one.tokens_per_second for one in shown]
    colours = [OURS if one.name.startswith("ours-") else THEIRS for one in shown]
    bars = axes.barh([one.name for one in shown], speeds, color=colours)
    labels = [f"{one.tokens_per_second:,.0f}  ({one.share_of_peak:.0%} of {one.precision})" for one in shown]
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.set(xlabel="tokens/s (share of the GEMM peak of its precision)", xlim=(0, 1.45 * max(speeds)))


def _latency(axes: Any, report: Report) -> None:
    loads = [100 * one["load"] for one in report.latency]
    for which in ("p50_ms", "p99_ms"):
        axes.plot(loads, [one.get(which) for one in report.latency], "o-", label=which.removesuffix("_ms"))
    axes.set(xlabel="offered load, % of the full speed", ylabel="ms", yscale="log", xlim=(0, 105))
    axes.legend(frameon=False)


def _lengths(axes: Any, report: Report) -> None:
    tokens = [one["tokens"] for one in report.lengths]
    axes.plot(tokens, [one["microseconds_per_token"] for one in report.lengths], "o-", color=OURS)
    axes.set(xlabel="tokens of a note, alone on an idle engine", ylabel="µs a token", xscale="log")
    axes.set_ylim(bottom=0)


def _readers(axes: Any, report: Report) -> None:
    counts = [one["readers"] for one in report.readers]
    axes.plot(counts, [one["tokens_per_second"] for one in report.readers], "o-", color=OURS)
    axes.set(xlabel="readers", ylabel="tokens/s", xticks=counts)
    axes.set_ylim(bottom=0)
