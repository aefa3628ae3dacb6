"""From measurements to figures, and the curves of our own engine: latency, readers, lengths of notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Protocol

from tokenizers import Tokenizer

from models.bench import mixture
from models.bench.peers import GEMM, Variant
from models.bench.report import Report, VariantFigures
from models.bench.rounds import Series, groups_for

SECONDS = 300.0


class Call(Protocol):
    """A call of a variant's process."""

    def __call__(self, name: str, timeout: float, /, **arguments: Any) -> Any: ...


def fill(
    report: Report,
    series: Series,
    peaks: Sequence[Mapping[str, float]],
    variants: Sequence[Variant],
    flop: float,
    sizes: Sequence[int],
) -> None:
    """Write the rounds into the report."""
    if peaks:
        report.gemm_gflops = {name: median(one[name] for one in peaks) for name in peaks[0]}
    for variant in variants:
        if not series.of(variant.name):
            continue
        speed = series.median(variant.name)
        shares = [
            one[variant.name] * flop / 1e9 / peak[variant.precision]
            for one, peak in zip(series.rounds, peaks, strict=False)
            if variant.name in one and peak[variant.precision]
        ]
        report.variants.append(
            VariantFigures(
                variant.name,
                variant.precision,
                speed,
                speed * flop / 1e9,
                median(shares) if shares else 0.0,
                series.spread(variant.name),
                _padding(sizes, variant.batch),
                series.of(variant.name),
            )
        )
    names = [one.name for one in report.variants]
    for ours in (name for name in names if name.startswith("ours-")):
        for other in (name for name in names if name != ours and name != GEMM.name):
            if (ratio := series.ratio(ours, other)) is not None:
                report.ratios[f"{ours}/{other}"] = ratio


def _padding(sizes: Sequence[int], batch: int | None) -> float | None:
    if batch is None:
        return None
    return mixture.padded_share(sizes, batch) if batch else 0.0


def reader_counts(cores: int) -> list[int]:
    """1, 2, 4 …, and one a core."""
    return [count for count in (1 << i for i in range(10)) if count < cores] + [cores]


class Curves:
    """Asks one of our processes; `speed`: its tokens a second under a backlog."""

    def __init__(self, call: Call, speed: float, step: Callable[[str], None]) -> None:
        self._call, self._speed, self._step = call, speed, step

    def latency(self, loads: Sequence[float], seconds: float) -> list[dict[str, float]]:
        """One passage a request at each share of the full speed."""
        found = []
        for load in loads:
            self._step(f"latency at {load:.0%} load")
            offered = load * self._speed
            figures = self._call("latency", SECONDS, load=offered, seconds=seconds)
            found.append({"load": load, "tokens_per_second": offered, **figures})
        return found

    def readers(self, cores: int, seconds: float, group: int) -> list[dict[str, float]]:
        """Speed with 1, 2, 4 … readers, up to one a core."""
        found = []
        for count in reader_counts(cores):
            self._step(f"{count} readers")
            items = groups_for(self._speed * count / cores, seconds, group) * mixture.GROUP
            speed = self._call("readers", SECONDS, count=count, first=0, items=items)
            found.append({"readers": float(count), "tokens_per_second": speed})
        return found

    def lengths(
        self, texts: Sequence[str], tokenizer: Tokenizer, lengths: Sequence[int], most_seconds: float
    ) -> list[dict[str, float]]:
        """A whole note of each length on an idle engine; without those that would take too long."""
        found = []
        text = " ".join(texts)
        for tokens in lengths:
            self._step(f"a note of {tokens:,} tokens")
            if tokens / self._speed > most_seconds:
                continue
            note = mixture.cut(text[: tokens * 12], tokenizer, tokens)
            times = 1 if tokens / self._speed > 1 else 5
            runs = [self._call("note", SECONDS, text=note) for _ in range(times)]
            middle = sorted(runs, key=lambda one: one["seconds"])[times // 2]
            found.append({**middle, "microseconds_per_token": middle["seconds"] / tokens * 1e6})
        return found

    def stat(self, count: int) -> dict[str, float]:
        self._step("stat under a full backfill")
        found: dict[str, float] = self._call("stat", SECONDS, count=count)
        return found

    def profile(self, name: str) -> dict[str, Any]:
        self._step("profile")
        profile: dict[str, Any] = self._call("profile", SECONDS, first=0, count=2 * mixture.GROUP)
        return {"variant": name, **profile}
