"""The whole benchmark of the engine: folders, processes, rounds, curves, figures."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.bench import curves, mixture, rounds, shapes
from models.bench.child import Work, load_peer, write_work
from models.bench.peers import GEMM, OURS, VARIANTS, Variant
from models.bench.process import PeerFailed, PeerProcess
from models.bench.report import Report
from models.calibration import CACHES, ISA
from models.checkpoint import Checkpoint, open_checkpoint
from models.forward import choose_device

WARM = 8
"""Windows that tell roughly how fast a variant is."""
FOR_CURVES = 0.35
"""Share of the time that is kept for what follows the rounds."""
START_SECONDS, READ_SECONDS, SOAK_SECONDS = 300.0, 180.0, 600.0
CAP = {ISA: "AVX512_CORE_BF16"}
"""For processors that promise AMX and then die of it."""


Shape = Literal["bert-base", "checkpoint"]
"""BERT-base with random weights, or the checkpoint that is given."""


@dataclass(frozen=True)
class Plan:
    """How much is measured. `seconds`: of each variant in a round."""

    shape: Shape = "bert-base"
    rounds: int = 3
    seconds: float = 5.0
    peak_seconds: float = 0.8
    loads: tuple[float, ...] = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0)
    load_seconds: float = 7.0
    lengths: tuple[int, ...] = (50, 200, 1_000, 5_000, 20_000, 100_000)
    most_seconds: float = 60.0
    """A note that would take longer is left out."""
    variants: tuple[Variant, ...] = VARIANTS
    device: str = "auto"
    stat_passages: int = 30
    limit: float = 570.0
    """Seconds for it all: on a slow machine there are fewer rounds, and no very long note."""


QUICK = Plan(
    rounds=1,
    seconds=1.5,
    peak_seconds=0.3,
    loads=(0.5, 0.8),
    load_seconds=4.0,
    lengths=(50, 500, 5_000),
    most_seconds=15.0,
    stat_passages=10,
)


@dataclass(frozen=True)
class Told:
    """A step of the benchmark: `done` of `total`, and what is happening."""

    done: int
    total: int
    what: str


Tell = Callable[[Told], None]


class Benchmark:
    """One run. `texts`: real notes; `cache`: a folder for weights that are made once."""

    def __init__(
        self, plan: Plan, texts: Sequence[str], cache: Path, tell: Tell, checkpoint: str | None = None
    ) -> None:
        self._plan, self._texts, self._cache, self._tell = plan, texts, cache, tell
        self._given, self._device = checkpoint, choose_device(plan.device)
        self._cores = len(os.sched_getaffinity(0))
        self._children: dict[str, PeerProcess] = {}
        self._speeds: dict[str, float] = {}
        self._cap: dict[str, str] = {}
        self._done, self._begun = 0, time.monotonic()
        self._total = 2 + len(plan.variants) + plan.rounds * (1 + len(plan.variants))
        self._total += len(plan.loads) + len(curves.reader_counts(self._cores)) + len(plan.lengths) + 2

    def run(self) -> Report:
        """Takes minutes; raises nothing that a peer did: who failed is named in the report."""
        self._step("weights and texts")
        checkpoint = self._checkpoint()
        self._items = mixture.items(self._texts, checkpoint.tokenizer)
        self._sizes = [item.tokens for item in self._items]
        self._flop = mixture.flop_per_token(checkpoint.encoder, self._sizes)
        report = Report(device_name(self._device), self._cores, self._shape(checkpoint))
        report.mixture = {
            "windows": len(self._sizes),
            "mean_tokens": sum(self._sizes) / len(self._sizes),
            "shortest": min(self._sizes),
            "longest": max(self._sizes),
            "mflop_per_token": self._flop / 1e6,
        }
        with self._peers(checkpoint, report):
            self._rounds(report)
            self._curves(report)
        report.seconds = time.monotonic() - self._begun
        return report

    def soak(self, passages: int) -> dict[str, Any]:
        """The first variant's memory, at ten points of so many passages. Raises `PeerFailed`."""
        checkpoint = self._checkpoint()
        self._items = mixture.items(self._texts, checkpoint.tokenizer)
        (variant, *_) = self._plan.variants
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-bench-")))
            work = self._write_work(checkpoint, folder)
            if reason := self._start(variant, work, stack):
                raise PeerFailed(reason)
            seconds = SOAK_SECONDS + passages / 10
            found: dict[str, Any] = self._children[variant.name].call("soak", seconds, total=passages)
            return {"variant": variant.name, **found}

    def _checkpoint(self) -> Checkpoint:
        shipped = open_checkpoint(self._given)
        if self._plan.shape == "checkpoint":
            return shipped
        return open_checkpoint(shapes.bert_base(self._cache, shipped.tokenizer))

    def _shape(self, checkpoint: Checkpoint) -> str:
        name = checkpoint.name if self._plan.shape == "checkpoint" else self._plan.shape
        return shapes.called(name, checkpoint.encoder)

    def _step(self, what: str) -> None:
        self._tell(Told(self._done, self._total, what))
        self._done += 1

    # --- processes -----------------------------------------------------------------------------

    @contextmanager
    def _peers(self, checkpoint: Checkpoint, report: Report) -> Iterator[None]:
        """Every variant's process, started and warm; `report.missing` names those that cannot be."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-bench-")))
            work = self._write_work(checkpoint, folder)
            gemm = replace(GEMM, options={"shapes": shapes.products(checkpoint.encoder)})
            for variant in (gemm, *self._plan.variants):
                self._step(f"starting {variant.name}")
                reason = self._start(variant, work, stack)
                if reason:
                    report.missing[variant.name] = reason
            if GEMM.name in self._children:
                report.gemm = self._children[GEMM.name].call("chosen", READ_SECONDS)
            yield

    def _write_work(self, checkpoint: Checkpoint, folder: Path) -> Path:
        ours, theirs = str(checkpoint.folder), str(shapes.twin(checkpoint, self._cache))
        items, file = tuple(self._items), folder / "work.json"
        write_work(file, Work(ours, theirs, str(self._cache), self._device, self._cores, items, {}))
        return file

    def _start(self, variant: Variant, work: Path, stack: ExitStack) -> str | None:
        """Why it cannot be measured; None where its process is ready and has read a group."""
        peer = load_peer(variant.file)
        if reason := peer.missing(str(self._cache)):
            return str(reason)
        python = peer.python(str(self._cache)) if hasattr(peer, "python") else None
        for environment in (self._cap, CAP):
            log = work.with_name(f"{variant.name}.log")
            inside = {**(CACHES if variant in OURS else {}), **environment}
            child = PeerProcess(
                variant.file, work, variant.options, python=python, environment=inside, log=log
            )
            stack.callback(child.stop)
            try:
                child.call("start", START_SECONDS)
                if variant.name != GEMM.name:
                    child.call("read", READ_SECONDS, first=0, count=1)
                    speed = child.call("read", READ_SECONDS, first=0, count=WARM)
                    self._speeds[variant.name] = speed
            except PeerFailed as error:
                child.stop()
                if "SIGILL" not in str(error) or environment == CAP:
                    return str(error)
            else:
                self._cap = dict(environment)
                self._children[variant.name] = child
                return None
        return None

    # --- measuring -----------------------------------------------------------------------------

    def _rounds(self, report: Report) -> None:
        names = [variant.name for variant in self._plan.variants if variant.name in self._children]
        measure: dict[str, Callable[[int, int], float]] = {name: self._reading(name) for name in names}
        peaks: list[Mapping[str, float]] = []
        if GEMM.name in self._children:
            measure = {GEMM.name: lambda first, count: self._peak(peaks), **measure}
        series = rounds.run(
            measure,
            {GEMM.name: 1.0, **self._speeds},
            self._plan.seconds,
            self._plan.rounds,
            sum(mixture.quantiles()),
            PeerFailed,
            lambda: self._left() > self._plan.limit * FOR_CURVES,
        )
        report.missing |= series.failed
        curves.fill(report, series, peaks, self._plan.variants, self._flop, self._sizes)
        for name in names:
            if name.startswith("ours-") and name not in series.failed:
                report.inside[name] = self._children[name].call("inside", READ_SECONDS)

    def _reading(self, name: str) -> Callable[[int, int], float]:
        def read(first: int, count: int) -> float:
            self._step(f"reading with {name}")
            speed: float = self._children[name].call("read", READ_SECONDS, first=first, count=count)
            return speed

        return read

    def _peak(self, peaks: list[Mapping[str, float]]) -> float:
        self._step("GEMM peaks")
        found = self._children[GEMM.name].call("peaks", READ_SECONDS, seconds=self._plan.peak_seconds)
        peaks.append(found)
        return float(found["fp32"])

    def _curves(self, report: Report) -> None:
        """Of our fastest variant."""
        best = report.best
        if best is None:
            return
        plan, call = self._plan, self._children[best.name].call
        tokenizer = open_checkpoint(self._given).tokenizer
        ours = curves.Curves(call, best.tokens_per_second, self._step)
        group = sum(mixture.quantiles())
        steps: tuple[tuple[str, float, Callable[[], Any]], ...] = (
            (
                "latency",
                len(plan.loads) * plan.load_seconds,
                lambda: ours.latency(plan.loads, plan.load_seconds),
            ),
            ("readers", 5 * plan.seconds, lambda: ours.readers(self._cores, plan.seconds, group)),
            ("profile", 10.0, lambda: ours.profile(best.name)),
            ("stat", plan.stat_passages, lambda: ours.stat(plan.stat_passages)),
            ("lengths", 10.0, lambda: ours.lengths(self._texts, tokenizer, plan.lengths, self._patience())),
        )
        for name, needed, measure in steps:
            try:
                if self._left() < needed:
                    report.notes.append(f"{name}: left out, as the time was over")
                else:
                    setattr(report, name, measure())
            except PeerFailed as error:
                report.notes.append(f"{name}: {error}")

    def _patience(self) -> float:
        """Seconds that the longest note may take."""
        return min(self._plan.most_seconds, self._left() / 2)

    def _left(self) -> float:
        return self._plan.limit - (time.monotonic() - self._begun)


def device_name(device: str) -> str:
    """The processor's name, or the card's."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
