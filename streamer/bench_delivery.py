"""`streamer bench delivery`: what exactly once costs against at least once, in one run on a real Kafka.

Two services stand ready side by side, one of each delivery, and get the same notes in turn, every second
round the other way about. With the stand-in pipeline of `streamer.chaos.echo` delivery is all the work there
is; with the engine it is what a user pays.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from streamer import bench_bed, embedded, settings, topic_admin
from streamer.bench_bed import Bed, Shape, given
from streamer.bench_notes import BenchNote, Notes
from streamer.bench_stream import Tell, notes_of
from streamer.bench_traffic import KafkaTopic, Traffic
from streamer.chaos.processes import Process
from streamer.ledger import quantile

EXACTLY, AT_LEAST = "exactly_once", "at_least_once"
MODES = (EXACTLY, AT_LEAST)
PIPELINES = ("stand-in", "engine")
PARTS = ("workers", "kafka")
"""Whose processor time is the cost of delivery."""
FEWEST, MOST_NOTES, MOST_TOKENS = 16, 20_000, 1_000_000
WARM_UP = 24
OFFERED = 0.2
"""Of the pace, at which latency is measured."""


@dataclass(frozen=True)
class Plan:
    """How much is measured. `seconds`: what a flood is to last; the middle of `tokens` and of `partitions`
    stay while the others are tried.
    """

    rounds: int = 7
    seconds: float = 5.0
    warm_ups: int = 10
    tokens: tuple[int, ...] = (50, 500, 5_000)
    partitions: tuple[int, ...] = (8, 1, 64)
    pipelines: tuple[str, ...] = PIPELINES

    def setups(self) -> list[tuple[int, Sequence[int]]]:
        """Partitions, and the lengths of notes that are tried on them."""
        first, *others = self.partitions
        return [(first, self.tokens), *[(own, [self._usual]) for own in others]]

    @property
    def _usual(self) -> int:
        return self.tokens[len(self.tokens) // 2]


QUICK = Plan(rounds=3, seconds=1.0, warm_ups=2, tokens=(200,), partitions=(8,))


@dataclass(frozen=True)
class Round:
    """The same notes by either delivery: seconds, and processor seconds of workers and brokers."""

    seconds: Mapping[str, float]
    processor: Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """`tokens` a note; `latency_ms`: p50 and p99 by delivery, at a fifth of the pace."""

    pipeline: str
    tokens: int
    partitions: int
    notes: int
    rounds: Sequence[Round]
    latency_ms: Mapping[str, Mapping[str, float]]

    @property
    def ratios(self) -> list[float]:
        """Of every round: the time that exactly once took over that of at least once."""
        return [own.seconds[EXACTLY] / own.seconds[AT_LEAST] for own in self.rounds]

    @property
    def processor_ratio(self) -> float:
        return median(own.processor[EXACTLY] / own.processor[AT_LEAST] for own in self.rounds)

    def as_dict(self) -> dict[str, Any]:
        pace = {mode: self.notes / median(own.seconds[mode] for own in self.rounds) for mode in MODES}
        cost = {mode: median(own.processor[mode] for own in self.rounds) / self.notes for mode in MODES}
        return {
            "pipeline": self.pipeline,
            "tokens": self.tokens,
            "partitions": self.partitions,
            "notes": self.notes,
            "ratio": round(median(self.ratios), 4),
            "range": [round(min(self.ratios), 4), round(max(self.ratios), 4)],
            "notes_per_second": {mode: round(own, 1) for mode, own in pace.items()},
            "processor_milliseconds_per_note": {mode: round(own * 1e3, 4) for mode, own in cost.items()},
            "processor_ratio": round(self.processor_ratio, 4),
            "latency_ms": self.latency_ms,
            "rounds": [asdict(own) for own in self.rounds],
        }


Line = Callable[[int, str], AbstractContextManager[Traffic]]
"""Starts a service on so many partitions with that delivery."""


def run(plan: Plan, checkpoint: str | None, precision: str | None, *, as_json: bool = False) -> int:
    """Measure and print; progress goes to standard error. 0: it was measured."""
    console = Console(stderr=True)
    chosen = settings.load(checkpoint=checkpoint, precision=precision)
    with console.status("choosing the precision") as status:
        of = bench_bed.shape(
            "checkpoint", chosen.checkpoint, chosen.device, chosen.precision, chosen.accept_loss
        )
        tell = status.update if console.is_terminal else console.print
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-bench-")))
            addresses = stack.enter_context(embedded.stack(progress=console.print))
            notes = notes_of(of)
            lines: dict[str, Line] = {
                "stand-in": partial(_stand_in, addresses["bootstrap"], folder, count(1)),
                "engine": partial(_node, Bed(addresses["bootstrap"], addresses["redis"], of)),
            }
            cases = [
                case
                for pipeline in plan.pipelines
                for case in measured(pipeline, plan, lines[pipeline], notes, lambda what: tell(f"{what} …"))
            ]
    print(json.dumps(as_dict(cases, of))) if as_json else Console().print(table(cases, of))
    return 0


def measured(pipeline: str, plan: Plan, line: Line, notes: Notes, tell: Tell) -> Iterator[Case]:
    """Every case of a pipeline, one after another."""
    for partitions, lengths in plan.setups():
        tell(f"{pipeline}: starting on {partitions} partition(s)")
        with line(partitions, EXACTLY) as exactly, line(partitions, AT_LEAST) as at_least:
            both = {EXACTLY: exactly, AT_LEAST: at_least}
            _warm_up(both, notes.take(WARM_UP, [50]), plan.warm_ups)
            for tokens in lengths:
                tell(f"{pipeline}: {tokens:,} tokens a note, {partitions} partition(s)")
                yield _case(pipeline, plan, both, notes, tokens, partitions)


def _case(
    pipeline: str, plan: Plan, both: Mapping[str, Traffic], notes: Notes, tokens: int, partitions: int
) -> Case:
    many, pace = _how_many(both[AT_LEAST], notes, tokens, plan.seconds)
    same = notes.take(many, [tokens])
    rounds = []
    for number in range(plan.rounds):
        # What the engine has read is in its cache; the stand-in has none.
        own = notes.take(many, [tokens]) if pipeline == "engine" else same
        order = MODES if number % 2 else MODES[::-1]
        took = {mode: _flood(both[mode], own) for mode in order}
        rounds.append(Round({m: took[m][0] for m in MODES}, {m: took[m][1] for m in MODES}))
    offered = notes.take(max(FEWEST, min(many, round(OFFERED * pace * plan.seconds))), [tokens])
    latency = {mode: both[mode].offer(offered, OFFERED * pace) for mode in MODES}
    shown = {mode: {"p50": quantile(own, 0.5), "p99": quantile(own, 0.99)} for mode, own in latency.items()}
    return Case(pipeline, tokens, partitions, many, rounds, shown)


def _how_many(traffic: Traffic, notes: Notes, tokens: int, seconds: float) -> tuple[int, float]:
    """Notes for a flood of about so long, within bounds, and the pace: notes a second."""
    most = max(FEWEST, min(MOST_NOTES, MOST_TOKENS // tokens))
    many = FEWEST
    while True:
        took = traffic.flood(notes.take(many, [tokens]))
        if took >= seconds / 2 or many == most:
            return max(FEWEST, min(most, round(many * seconds / took))), many / took
        many = min(most, many * 4)


def _warm_up(both: Mapping[str, Traffic], notes: Sequence[BenchNote], times: int) -> None:
    """Brokers that have just started take several times as long for a transaction."""
    for _ in range(times):
        for traffic in both.values():
            traffic.flood(notes)


def _flood(traffic: Traffic, notes: Sequence[BenchNote]) -> tuple[float, float]:
    """Seconds, and processor seconds of workers and brokers."""
    before = bench_bed.processor_seconds()
    seconds = traffic.flood(notes)
    after = bench_bed.processor_seconds()
    return seconds, sum(after[part] - before[part] for part in PARTS)


# --- what it is measured on ----------------------------------------------------------------------


@contextmanager
def _node(bed: Bed, partitions: int, delivery: str) -> Iterator[Traffic]:
    with bed.node(1, partitions, delivery=delivery) as node:
        yield node.traffic


@contextmanager
def _stand_in(
    bootstrap: str, folder: Path, numbers: Iterator[int], partitions: int, delivery: str
) -> Iterator[Traffic]:
    name = f"stand-in-{next(numbers)}"
    (folder / name).mkdir()
    chosen = settings.load(
        bootstrap=bootstrap,
        **bench_bed.names(name),
        delivery=delivery,
        state_dir=folder / name,
    )
    topic_admin.create_topics(chosen, partitions)
    environment = settings.child_environment(chosen) | {"ECHO_PAUSE_MS": "0"}
    process = Process([sys.executable, "-m", "streamer.chaos.echo"], environment, folder / f"{name}.log")
    try:
        process.wait_until_assigned()
        with KafkaTopic(chosen) as topic:
            yield Traffic(topic, lambda: process.exit_code is None)
    finally:
        process.end()


# --- what is shown -------------------------------------------------------------------------------


def as_dict(cases: Sequence[Case], of: Shape) -> dict[str, Any]:
    """The object that `--json` prints: named as in the other benchmarks, where it means the same."""
    return {
        "device": bench_bed.device_name(of),
        "shape": of.name,
        "precision": of.precision,
        "ratios": {
            f"exactly-once/at-least-once, {own.pipeline}, {own.tokens} tokens, {own.partitions} partitions": (
                round(median(own.ratios), 4)
            )
            for own in cases
        },
        "cases": [own.as_dict() for own in cases],
    }


def table(cases: Sequence[Case], of: Shape) -> Table:
    """For a person at a terminal."""
    title = (
        f"exactly once against at least once; engine: {of.name}, {of.precision}, {bench_bed.device_name(of)}"
    )
    found = Table("pipeline", title=title)
    for column in ("tokens", "parts", "notes/s", "time", "processor", "p50 / p99, ms"):
        found.add_column(column, justify="right", no_wrap=True)
    for own in cases:
        pace = own.as_dict()["notes_per_second"]
        late = [f"{own.latency_ms[mode]['p50']:,.0f} / {own.latency_ms[mode]['p99']:,.0f}" for mode in MODES]
        found.add_row(
            own.pipeline,
            f"{own.tokens:,}",
            str(own.partitions),
            f"{pace[EXACTLY]:,.0f}\n{pace[AT_LEAST]:,.0f}",
            f"× {median(own.ratios):.2f}\n{min(own.ratios):.2f}–{max(own.ratios):.2f}",
            f"× {own.processor_ratio:.2f}",
            "\n".join(late),
            end_section=True,
        )
    found.caption = "two lines: exactly once, then at least once; of the time its median, then its range"
    return found


def plan(quick: bool, **asked: object) -> Plan:
    """The usual plan or the quick one, with what is not None set otherwise."""
    return replace(QUICK if quick else Plan(), **given(asked))
