"""`streamer bench stream` for a person or a script: settings in, table, JSON and plots out."""

from __future__ import annotations

import json
import math
from pathlib import Path

from rich.console import Console

from models.bench.process import PeerFailed
from models.bench.run import Shape
from streamer import bench_bed, bench_plots, bench_stream, settings
from streamer.bench_figures import Figures
from streamer.bench_stream import Plan
from streamer.errors import WorldError


def run(
    plan: Plan,
    shape: Shape,
    checkpoint: str | None,
    precision: str | None,
    *,
    as_json: bool = False,
    plots: Path | None = None,
) -> int:
    """Measure and print; progress goes to standard error. 0: it was measured."""
    if plots is not None:
        bench_plots.require()
    console = Console(stderr=True)
    chosen = settings.load(checkpoint=checkpoint, precision=precision)
    with console.status("choosing the precision") as status:
        of = bench_bed.shape(shape, chosen.checkpoint, chosen.device, chosen.precision, chosen.accept_loss)
        try:
            tell = status.update if console.is_terminal else console.print
            figures = bench_stream.run(plan, of, lambda what: tell(f"{what} …"), console.print)
        except PeerFailed as error:
            raise WorldError(f"the engine alone cannot be measured: {error}") from None
    if as_json:
        print(json.dumps(figures.as_dict()))
    else:
        for table in figures.tables():
            Console().print(table)
    if plots is not None:
        console.print(f"wrote {draw(figures, plots)}")
    return 0


def draw(figures: Figures, folder: Path) -> Path:
    """The curves as one PNG in `folder`; gives its path. Raises WorldError where it cannot be written."""
    from matplotlib.figure import Figure

    sweeps = figures.sweeps()
    columns = max(len(sweeps) + bool(figures.latency), 1)
    picture = Figure(figsize=(4 * columns, 3.2), layout="constrained")
    axes = iter(picture.subplots(1, columns, squeeze=False)[0])
    for name, points in sweeps.items():
        ax = next(axes)
        ax.plot([one.value for one in points], [100 * one.share_of_engine for one in points], "o-")
        ax.axhline(100 * figures.share_of_engine, linestyle=":", color="grey")
        ax.set(xlabel=name, ylabel="% of the engine alone", ylim=(0, 110))
        if name == "tokens a note":
            ax.set_xscale("log")
    if figures.latency:
        ax = next(axes)
        for which in ("p50", "p99"):
            times = [getattr(one, which) for one in figures.latency]
            ax.plot([100 * one.load for one in figures.latency], times, "o-", label=which)
        ax.set(xlabel="% of the stream's capacity", ylabel="ms from topic to topic", yscale="log")
        ax.set_xlim(0, 10 * math.ceil(max(10 * one.load for one in figures.latency) + 0.5))
        ax.legend()
    picture.suptitle(f"bench stream: {figures.shape}, {figures.precision}, {figures.device}", fontsize=9)
    return bench_plots.save(picture, folder / "bench-stream.png")
