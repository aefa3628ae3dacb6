"""`streamer bench stream`: Kafka bytes in to annotation bytes out, against the engine alone in the same run.

Every round reads the same notes twice: by the engine alone, and through a whole node with the real Kafka and
Redis, which stands ready and idle meanwhile. What disturbs the machine disturbs both. The brokers and the
load share the machine's cores with the node.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from threading import Event

from models.bench import mixture
from models.reader import Reader
from streamer import bench_bed, embedded, local_node, samples
from streamer.bench_bed import Alone, Bed, Node, Shape, given
from streamer.bench_figures import Figures, Latency, Pair, Scrape, Swept
from streamer.bench_notes import BenchNote, Notes
from streamer.beside import beside
from streamer.ledger import quantile
from streamer.ports import HOST

WARM_UP = 24
FEWEST, MOST = 8, 20_000
"""Notes in one measurement."""
SCRAPE_S = 1.0
GEMM_S = 3.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How much is measured. `seconds`: what each half of a round is to last; sweeps take half of it."""

    rounds: int = 5
    seconds: float = 15.0
    workers: int = 1
    partitions: int = 4
    warm_ups: int = 30
    loads: tuple[float, ...] = (0.5, 0.8)
    more_workers: tuple[int, ...] = (2,)
    more_partitions: tuple[int, ...] = (1, 12)
    lengths: tuple[int, ...] = (50, 1_000, 5_000)
    gemm: bool = True
    warm: bool = True
    scrape: bool = False


QUICK = Plan(
    rounds=1,
    seconds=2.0,
    warm_ups=5,
    loads=(0.5,),
    more_workers=(),
    more_partitions=(),
    lengths=(),
    gemm=False,
)


def run(plan: Plan, shape: Shape, tell: Tell, progress: Callable[[str], None] | None = None) -> Figures:
    """Takes minutes. `tell` hears what is being done, `progress` of downloads. Raises WorldError."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-bench-")))
        tell("loading the engine alone")
        options = {"precision": shape.precision}
        alone = Alone(stack.enter_context(bench_bed.peer("alone", shape, folder, options)))
        tell("starting Kafka and Redis")
        addresses = stack.enter_context(embedded.stack(progress=progress))
        bed = Bed(addresses["bootstrap"], addresses["redis"], shape)
        bench = StreamBench(plan, alone, notes_of(shape), tell)
        figures = Figures(bench_bed.device_name(shape), shape.name, shape.precision)
        tell(f"starting a node with {plan.workers} worker(s)")
        with bed.node(plan.workers, plan.partitions) as node:
            bench.main(node, figures)
        for workers, partitions in bench.setups():
            tell(f"starting a node with {workers} worker(s) on {partitions} partition(s)")
            with bed.node(workers, partitions) as node:
                bench.swept(node, workers, partitions, figures)
        if plan.gemm:
            tell("GEMM peaks")
            figures.gemm_gflops = bench_bed.gemm_peaks(shape, folder, GEMM_S)
        figures.flop_per_token = mixture.flop_per_token(shape.checkpoint.encoder, bench.windows)
        return figures


class StreamBench:
    """The measurements; all but the first set find notes' number and pace from those before."""

    def __init__(self, plan: Plan, alone: Alone, notes: Notes, tell: Tell) -> None:
        self._plan, self._alone, self._notes, self._tell = plan, alone, notes, tell
        self._tokens_per_second = 0.0
        self.windows: list[int] = []

    def setups(self) -> list[tuple[int, int]]:
        """Workers and partitions of the nodes beside the first."""
        plan = self._plan
        more = [(workers, plan.partitions) for workers in plan.more_workers]
        return more + [(plan.workers, partitions) for partitions in plan.more_partitions]

    def main(self, node: Node, figures: Figures) -> None:
        """All that one node can show."""
        self._warm_up(node)
        for number in range(self._plan.rounds):
            figures.rounds.append(self._round(node, f"round {number + 1} of {self._plan.rounds}", number))
        tokens_per_second = median(one.stream_tokens_per_second for one in figures.rounds)
        if self._plan.more_workers:
            figures.workers.append(Swept(self._plan.workers, figures.share_of_engine, tokens_per_second))
        if self._plan.more_partitions:
            figures.partitions.append(
                Swept(self._plan.partitions, figures.share_of_engine, tokens_per_second)
            )
        notes_per_second = median(one.notes / one.stream_seconds for one in figures.rounds)
        for load in self._plan.loads:
            figures.latency.append(self._latency(node, load, notes_per_second))
        if self._plan.warm:
            figures.cached = self._warm(node)
        for length in self._plan.lengths:
            one = self._round(node, f"notes of {length:,} tokens", 0, [length], share=0.5)
            figures.lengths.append(Swept(length, one.share, one.stream_tokens_per_second))
        if self._plan.scrape:
            figures.scrape = self._scraped(node)

    def swept(self, node: Node, workers: int, partitions: int, figures: Figures) -> None:
        """One round on a node that was set up otherwise."""
        self._warm_up(node)
        one = self._round(node, f"{workers} worker(s), {partitions} partition(s)", 0, share=0.5)
        if workers != self._plan.workers:
            figures.workers.append(Swept(workers, one.share, one.stream_tokens_per_second))
        else:
            figures.partitions.append(Swept(partitions, one.share, one.stream_tokens_per_second))

    # --- one measurement each --------------------------------------------------------------------

    def _warm_up(self, node: Node) -> None:
        """The engines, the workers and the brokers have run in then, and the engine's pace is known.

        Brokers that have just started take four times as long for a transaction: the same notes again cost
        the engine nothing, and the rest of the way as much as any.
        """
        self._tell("warming up")
        notes = self._notes.take(WARM_UP, mixture.lengths())
        for _ in range(1 + self._plan.warm_ups):
            node.traffic.flood(notes)
        self._alone.read(notes)
        read = self._alone.read(notes)
        self._tokens_per_second = read.tokens / read.seconds

    def _round(
        self, node: Node, what: str, number: int, lengths: Sequence[int] = (), share: float = 1.0
    ) -> Pair:
        """The same notes by the engine alone and by the stream; every second round the other way about."""
        notes = self._take(self._plan.seconds * share, lengths or mixture.lengths())
        self._tell(what)
        before = self._stream(node, notes) if number % 2 else None
        read = self._alone.read(notes)
        self._tokens_per_second = read.tokens / read.seconds
        self.windows += read.windows
        return Pair(len(notes), read.tokens, read.seconds, *(before or self._stream(node, notes)))

    def _stream(self, node: Node, notes: Sequence[BenchNote]) -> tuple[float, float, dict[str, float]]:
        """Tokens read, seconds, and of the processor those of each part."""
        read, used = node.tokens_read, bench_bed.processor_seconds()
        seconds = node.traffic.flood(notes)
        after = bench_bed.processor_seconds()
        return node.tokens_read - read, seconds, {part: after[part] - used[part] for part in after}

    def _take(self, seconds: float, lengths: Sequence[int]) -> list[BenchNote]:
        """As many notes as the engine reads in so long, within bounds."""
        wanted = round(seconds * self._tokens_per_second * len(lengths) / sum(lengths))
        return self._notes.take(min(max(wanted, FEWEST), MOST), lengths)

    def _latency(self, node: Node, load: float, notes_per_second: float) -> Latency:
        rate = load * notes_per_second
        self._tell(f"latency at {load:.0%} of the stream's capacity: {rate:.1f} notes/s")
        notes = self._notes.take(max(round(rate * self._plan.seconds), 16), mixture.lengths())
        times = node.traffic.offer(notes, rate)
        return Latency(load, rate, quantile(times, 0.5), quantile(times, 0.99), len(times))

    def _warm(self, node: Node) -> float:
        """How many times faster notes are that came before."""
        notes = self._take(self._plan.seconds * 0.5, mixture.lengths())
        self._tell("the same notes again")
        return node.traffic.flood(notes) / node.traffic.flood(notes)

    def _scraped(self, node: Node) -> Scrape:
        """Throughput with a page that is asked for every second, and one reader that never finishes."""
        ratios = []
        for number in range(self._plan.rounds):
            plain = self._round(node, "nobody scrapes", number, share=0.5)
            with _scraping(node.port):
                scraped = self._round(node, "Prometheus scrapes", number, share=0.5)
            ratios.append(scraped.share / plain.share)
        return Scrape(median(ratios), ratios)


def _scraping(port: int) -> AbstractContextManager[None]:
    def scrape(over: Event) -> None:
        with socket.create_connection((HOST, port)) as stuck:
            stuck.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not over.wait(SCRAPE_S):
                local_node.get(f"{HOST}:{port}", "/metrics")

    return beside("scrape", scrape)


def notes_of(shape: Shape) -> Notes:
    """Made from the bundled ones, by the tokens of that checkpoint."""
    return Notes([note["text"] for note in samples.load()], Reader(shape.checkpoint))


def plan(quick: bool, **asked: object) -> Plan:
    """The usual plan or the quick one, with what is not None set otherwise."""
    return replace(QUICK if quick else Plan(), **given(asked))
