"""`streamer bench engine` for a person or a script: what `models.bench` measures, as table and JSON."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.bench import run as bench
from models.bench.peers import VARIANTS, Variant
from models.bench.process import PeerFailed
from models.bench.report import Report
from models.checkpoint import open_checkpoint
from streamer import bench_host, bench_plots, samples, settings
from streamer.bench_bed import cache_folder
from streamer.errors import SettingError, WorldError


def run(
    plan: bench.Plan,
    checkpoint: str | None,
    *,
    only: Sequence[str] = (),
    as_json: bool = False,
    plots: Path | None = None,
) -> int:
    """Measure and print; progress goes to standard error. 0: it was measured."""
    if plots is not None:
        bench_plots.require()
    _end_tidily()
    chosen = settings.load(checkpoint=checkpoint)
    plan = replace(plan, device=chosen.device, variants=variants(only))
    texts = [str(note["text"]) for note in samples.load()]
    with _Shown() as shown:
        report = bench.Benchmark(plan, texts, cache_folder(), shown.tell, chosen.checkpoint).run()
        shown.tell(bench.Told(0, 1, "the workers' own cost a note"))
        report.host = host(chosen.checkpoint, chosen.device)
    if as_json:
        print(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        for table in tables(report):
            Console().print(table)
    if plots is not None:
        for file in bench_plots.draw(report, plots):
            Console(stderr=True).print(f"wrote {file}")
    return 0 if report.variants else 1


def plan(quick: bool, shape: bench.Shape, rounds: int | None, seconds: float | None) -> bench.Plan:
    """What to measure; None: as much as fits into ten minutes."""
    chosen = bench.QUICK if quick else bench.Plan()
    return replace(chosen, shape=shape, rounds=rounds or chosen.rounds, seconds=seconds or chosen.seconds)


def soak(
    passages: int, shape: bench.Shape, checkpoint: str | None, only: Sequence[str], *, as_json: bool = False
) -> int:
    """Memory of an engine's process over so many passages, at ten points; 1 if some could not be read."""
    _end_tidily()
    chosen = settings.load(checkpoint=checkpoint)
    plan = replace(bench.Plan(), shape=shape, device=chosen.device, variants=variants(only or ["ours-fp32"]))
    texts = [str(note["text"]) for note in samples.load()]
    measured = bench.Benchmark(plan, texts, cache_folder(), lambda _: None, chosen.checkpoint)
    with Console(stderr=True).status(f"reading {passages:,} passages …"):
        try:
            found = measured.soak(passages)
        except PeerFailed as error:
            raise WorldError(f"the engine did not read {passages:,} passages: {error}") from None
    if as_json:
        print(json.dumps(found))
    else:
        table = Table("passages", "MB", title=f"{found['variant']}: memory of the engine's process")
        for point, megabytes in enumerate(found["megabytes"], 1):
            table.add_row(f"{passages * point // len(found['megabytes']):,}", f"{megabytes:,.0f}")
        Console().print(table)
    return 1 if found["faults"] else 0


def variants(only: Sequence[str]) -> tuple[Variant, ...]:
    """Those named; all without names. Raises `SettingError` for an unknown one."""
    known = {variant.name: variant for variant in VARIANTS}
    if unknown := [name for name in only if name not in known]:
        raise SettingError(f"--only {unknown[0]}: there are {', '.join(known)}")
    return tuple(known[name] for name in only) or VARIANTS


def host(checkpoint: str, device: str) -> dict[str, object]:
    """What a note costs its worker, of the checkpoint that annotates: random weights find nothing."""
    cost = bench_host.host_cost(open_checkpoint(checkpoint), device)
    return {"microseconds_per_note": cost.total, **asdict(cost)}


def tables(report: Report) -> list[Table]:
    """For a person at a terminal."""
    peaks = ", ".join(f"{name} {value:,.0f}" for name, value in report.gemm_gflops.items())
    main = Table(
        title=f"bench engine: {report.shape} on {report.device}, {report.cores} cores",
        caption=f"GEMM peaks of this run, GFLOP/s: {peaks}; medians of {_rounds(report)} rounds",
    )
    main.add_column("variant")
    for column in ("tokens/s", "GFLOP/s", "of peak", "padding", "± spread", "ours is faster by"):
        main.add_column(column, justify="right")
    best = report.best
    for one in report.variants:
        ratio = report.ratios.get(f"{best.name}/{one.name}") if best else None
        main.add_row(
            one.name,
            f"{one.tokens_per_second:,.0f}",
            f"{one.gflops:,.0f}",
            f"{one.share_of_peak:.0%} ({one.precision})",
            "?" if one.padding is None else f"{one.padding:.0%}",
            f"{one.spread:.0%}",
            f"{ratio:.2f} ×" if ratio else "–",
        )
    return [main, *([_missing(report)] if report.missing else []), *_curves(report)]


def _missing(report: Report) -> Table:
    table = Table("not measured", "why", title="missing")
    for name, reason in report.missing.items():
        table.add_row(name, escape(reason))
    return table


def _end_tidily() -> None:
    """SIGTERM, too, ends every variant's process and removes what they were given."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _rounds(report: Report) -> int:
    return max((len(one.rounds) for one in report.variants), default=0)


def _curves(report: Report) -> list[Table]:
    name = report.best.name if report.best else "ours"
    found = []
    if report.latency:
        table = Table("load", "tokens/s", "p50 ms", "p99 ms", title=f"{name}: latency by load")
        for one in report.latency:
            row = (one["tokens_per_second"], one.get("p50_ms", 0.0), one.get("p99_ms", 0.0))
            table.add_row(f"{one['load']:.0%}", *(f"{value:,.0f}" for value in row))
        found.append(table)
    if report.lengths:
        table = Table("tokens", "ms", "µs a token", title=f"{name}: one note alone")
        for one in report.lengths:
            row = (one["tokens"], one["seconds"] * 1e3, one["microseconds_per_token"])
            table.add_row(*(f"{value:,.0f}" for value in row))
        found.append(table)
    if report.readers:
        table = Table("readers", "tokens/s", title=name)
        for one in report.readers:
            table.add_row(f"{one['readers']:.0f}", f"{one['tokens_per_second']:,.0f}")
        found.append(table)
    return [*found, _inside(report)]


def _inside(report: Report) -> Table:
    table = Table("figure", "value", title="inside")
    for name, figures in report.inside.items():
        fill, busy = figures.get("batch_fill", 0.0), figures.get("busy", 0.0)
        table.add_row(f"{name}: batches filled, readers busy", f"{fill:.1%}, {busy:.1%}")
    if report.stat:
        table.add_row("stat under full backfill, p99", f"{report.stat['p99_batches']:.1f} batch times")
    for kind in ("parts", "operators"):
        shares = report.profile.get(kind, {})
        largest = sorted(shares.items(), key=lambda item: -item[1])[:6]
        table.add_row(kind, ", ".join(f"{name} {share:.0%}" for name, share in largest))
    if report.host:
        table.add_row("worker's cost of a note", f"{report.host['microseconds_per_note']:,.0f} µs")
    for note in report.notes:
        table.add_row("note", escape(note))
    return table


class _Shown:
    """A bar on a terminal; a line a step elsewhere."""

    def __enter__(self) -> _Shown:
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def tell(self, told: bench.Told) -> None:
        if self._bar:
            self._bar.update(self._task, completed=told.done, total=told.total, description=told.what)
        else:
            print(f"{told.done + 1}/{told.total} {told.what}", file=sys.stderr, flush=True)
