"""What the stream's benchmark found: as one JSON object, and as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Pair:
    """The same notes twice, by the engine alone and by the stream.

    `read`: tokens that the stream's engine read: a heading that came before is in the cache. `processor`:
    seconds of processor time of each part meanwhile.
    """

    notes: int
    tokens: int
    engine_seconds: float
    read: float
    stream_seconds: float
    processor: Mapping[str, float]

    @property
    def share(self) -> float:
        """Of the engine's speed, what the stream has."""
        return self.stream_tokens_per_second / self.engine_tokens_per_second

    @property
    def engine_tokens_per_second(self) -> float:
        return self.tokens / self.engine_seconds

    @property
    def stream_tokens_per_second(self) -> float:
        return self.read / self.stream_seconds


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the time a note was due on its topic to its record's being read.

    `load`: of the notes/s that the stream can do; `notes`: how many were sent.
    """

    load: float
    notes_per_second: float
    p50: float
    p99: float
    notes: int


@dataclass(frozen=True)
class Swept:
    """One point of a curve: the stream with `value` workers, partitions or tokens a note."""

    value: int
    share_of_engine: float
    tokens_per_second: float


@dataclass(frozen=True)
class Scrape:
    """Throughput while the metrics page is read, over throughput while it is not; of every round too."""

    ratio: float
    rounds: list[float]


@dataclass
class Figures:
    """What was measured; medians over `rounds` where not said otherwise. `cached`: the speed of notes that
    came before over that of new ones.
    """

    device: str
    shape: str
    precision: str
    rounds: list[Pair] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    workers: list[Swept] = field(default_factory=list)
    partitions: list[Swept] = field(default_factory=list)
    lengths: list[Swept] = field(default_factory=list)
    gemm_gflops: dict[str, float] = field(default_factory=dict)
    flop_per_token: float = 0.0
    cached: float | None = None
    scrape: Scrape | None = None

    @property
    def share_of_engine(self) -> float:
        return self._median(lambda one: one.share)

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` prints: the same names as of `bench engine`, where they mean the same."""
        engine, stream = f"engine-{self.precision}", f"stream-{self.precision}"
        busiest = max(self.latency, key=lambda one: one.load, default=None)
        return {
            "device": self.device,
            "shape": self.shape,
            "precision": self.precision,
            "gemm_gflops": {name: round(value, 1) for name, value in self.gemm_gflops.items()},
            "variants": [
                self._variant(engine, self._median(lambda one: one.engine_tokens_per_second)),
                self._variant(stream, self._median(lambda one: one.stream_tokens_per_second)),
            ],
            "ratios": {f"{stream}/{engine}": round(self.share_of_engine, 4)},
            "share_of_engine": round(self.share_of_engine, 4),
            "notes_per_second": round(self._median(lambda one: one.notes / one.stream_seconds), 2),
            "latency_ms": {"p50": busiest.p50, "p99": busiest.p99} if busiest else {},
            "latency": [asdict(one) for one in self.latency],
            "host": {"microseconds_per_note": round(self._per_note("workers") * 1e6, 1)},
            "processor_milliseconds_per_note": {
                part: round(self._per_note(part) * 1e3, 3) for part in self._parts
            },
            "read_share": round(self._median(lambda one: one.read / one.tokens), 4),
            "cached_notes_speedup": self.cached and round(self.cached, 2),
            "workers": [asdict(one) for one in self.workers],
            "partitions": [asdict(one) for one in self.partitions],
            "lengths": [asdict(one) for one in self.lengths],
            "scrape": self.scrape and asdict(self.scrape),
            "rounds": [asdict(one) | {"share_of_engine": round(one.share, 4)} for one in self.rounds],
        }

    def tables(self) -> list[Table]:
        """For a person at a terminal."""
        return [self._main_table(), *self._sweep_tables()]

    # --- parts -----------------------------------------------------------------------------------

    @property
    def _parts(self) -> list[str]:
        return list(self.rounds[0].processor) if self.rounds else []

    def _median(self, of: Callable[[Pair], float]) -> float:
        return median(of(one) for one in self.rounds) if self.rounds else 0.0

    def _per_note(self, part: str) -> float:
        """Seconds of processor time; a node's idle work in that time is in it."""
        return self._median(lambda one: one.processor.get(part, 0.0) / one.notes)

    def _variant(self, name: str, speed: float) -> dict[str, Any]:
        gflops = speed * self.flop_per_token / 1e9
        peak = self.gemm_gflops.get(self.precision)
        return {
            "name": name,
            "tokens_per_second": round(speed, 1),
            "gflops": round(gflops, 1),
            "share_of_peak": round(gflops / peak, 4) if peak else None,
        }

    def _main_table(self) -> Table:
        table = Table("figure", title=f"{self.shape}, {self.precision}, on {self.device}")
        table.add_column("value", justify="right", no_wrap=True)
        rows = [
            ("the engine alone, tokens/s", f"{self._median(lambda one: one.engine_tokens_per_second):,.0f}"),
            ("the stream, tokens/s", f"{self._median(lambda one: one.stream_tokens_per_second):,.0f}"),
            ("  its share of the engine alone", f"{self.share_of_engine:.1%}"),
            ("  of every round", " ".join(f"{one.share:.0%}" for one in self.rounds)),
            ("  notes/s", f"{self._median(lambda one: one.notes / one.stream_seconds):,.1f}"),
        ]
        for at in self.latency:
            rows.append((f"p50 / p99 at {at.load:.0%} load", f"{at.p50:,.0f} / {at.p99:,.0f} ms"))
        for part in self._parts:
            rows.append((f"processor time a note: {part}", f"{self._per_note(part) * 1e3:,.2f} ms"))
        if self.cached:
            rows.append(("the same notes again, from the cache", f"{self.cached:.1f} × as fast"))
        if self.scrape:
            rows.append(("throughput while Prometheus scrapes", f"{self.scrape.ratio:.1%}"))
        for figure, value in rows:
            table.add_row(figure, value)
        return table

    def _sweep_tables(self) -> list[Table]:
        tables = []
        for name, points in self.sweeps().items():
            table = Table(name)
            for column in ("share of the engine", "tokens/s"):
                table.add_column(column, justify="right")
            for one in points:
                table.add_row(f"{one.value:,}", f"{one.share_of_engine:.1%}", f"{one.tokens_per_second:,.0f}")
            tables.append(table)
        return tables

    def sweeps(self) -> dict[str, list[Swept]]:
        """The curves that were measured, by what is varied."""
        all_ = {"workers": self.workers, "partitions": self.partitions, "tokens a note": self.lengths}
        in_order = {name: sorted(points, key=lambda one: one.value) for name, points in all_.items()}
        return {name: points for name, points in in_order.items() if points}
