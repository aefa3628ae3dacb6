"""Every metric, once; nobody else imports `prometheus_client`.

A node is several processes and has one page: each process writes its counts into files of one folder, and
the supervisor adds them up when asked (`Node`, `serve`). A process that runs alone serves its own counts.
`PROMETHEUS_MULTIPROC_DIR` in the environment decides which, when this module is imported.

Names are `streamer_…` in base units. Label values come from closed sets, so the number of series never grows
with the notes; every series is there from the start, at 0.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import prometheus_client
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from models.types import LANES, Lane
from streamer.endpoints import Health, Server
from streamer.errors import REASONS

Stage = Literal["decode", "split", "cache", "engine", "assemble", "release"]
CacheFault = Literal["timeout", "connection", "server", "value"]
PublishFault = Literal["not-authorised", "topic-missing", "timeout", "fenced", "other"]

STAGES: tuple[Stage, ...] = ("decode", "split", "cache", "engine", "assemble", "release")
CACHE_FAULTS: tuple[CacheFault, ...] = ("timeout", "connection", "server", "value")
PUBLISH_FAULTS: tuple[PublishFault, ...] = ("not-authorised", "topic-missing", "timeout", "fenced", "other")
OTHER_CATEGORY = "other"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
POWERS_OF_4 = tuple(float(4**exponent) for exponent in range(11))
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))

_without_creation_times: Callable[[], None] = prometheus_client.disable_created_metrics
_without_creation_times()

_PROCESS = CollectorRegistry()


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"streamer_{name}", text, labels, registry=_PROCESS)


def _gauge(name: str, text: str, *labels: str, over_processes: Any = "livesum") -> Gauge:
    return Gauge(f"streamer_{name}", text, labels, registry=_PROCESS, multiprocess_mode=over_processes)


def _histogram(name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
    return Histogram(f"streamer_{name}", text, labels, registry=_PROCESS, buckets=buckets)


_NOTES_IN = _counter("notes_in", "Notes taken from the input topic.")
_NOTES_OUT = _counter("notes_out", "Records and tombstones committed to the output topic.")
_DEAD = _counter("notes_dead_lettered", "Notes committed to the dead-letter topic.", "reason")
_LATENCY = _histogram("note_latency_seconds", "From a note's record timestamp to its commit.")
_STAGE = _histogram("stage_seconds", "Time in one stage of a note's way; release: of a run.", "stage")
_ENTITIES = _counter("entities", "Entities found.", "category")
_CACHE = _counter("cache_passages", "Passages looked up in the cache.", "outcome")
_CACHE_FAULTS = _counter("cache_errors", "Cache calls that failed and were taken as misses.", "kind")
_BREAKER = _gauge("cache_breaker_open", "1: at least one worker has stopped asking the cache.",
                  over_processes="livemax")  # fmt: skip
_UNRELEASED = _gauge("unreleased_notes", "Notes taken in and not committed yet.")
_OLDEST = _gauge("unreleased_oldest_timestamp_seconds",
                 "Unix time at which the oldest unreleased note was taken in; +Inf: there is none.",
                 over_processes="livemin")  # fmt: skip
_PARTITIONS = _gauge("assigned_partitions", "Input partitions assigned to this node's workers.")
_RUN_NOTES = _histogram("transaction_notes", "Notes committed together.", buckets=POWERS_OF_4[:8])
_REFUSED = _counter("publish_errors", "Commits and starts that the brokers refused, or left unanswered.",
                    "kind")  # fmt: skip
_BATCH_TOKENS = _histogram("batch_tokens", "Tokens in one encoder pass.", buckets=POWERS_OF_4[2:])
_BATCH_FILL = _histogram("batch_fill_ratio", "Tokens of a batch over the token budget.", buckets=TENTHS)
_BATCH_WINDOWS = _histogram("batch_windows", "Windows in one encoder pass.", buckets=POWERS_OF_4[:7])
_BATCH_SECONDS = _histogram("batch_seconds", "Time of one encoder pass and its heads.")
_WAIT = _histogram("queue_wait_seconds",
                   "A request's wait for room at its worker and in the engine's queue.", "lane")  # fmt: skip
_DEPTH = _gauge("queue_windows", "Windows waiting for the device.", "lane")
_BUSY = _counter("device_busy_seconds", "Time that the engine's readers spent on batches.")
_READERS = _gauge("engine_readers", "Batches that the engine can work on at once.")
_BUILD = _gauge("build_info", "1; what runs here.", "version", "fingerprint",
                over_processes="livemax")  # fmt: skip

# A child that was looked up once costs one lock and one write; looking it up by label costs three times that.
_dead = {reason: _DEAD.labels(reason) for reason in REASONS}
_stages = {stage: _STAGE.labels(stage) for stage in STAGES}
_cache_faults = {kind: _CACHE_FAULTS.labels(kind) for kind in CACHE_FAULTS}
_refused = {kind: _REFUSED.labels(kind) for kind in PUBLISH_FAULTS}
_hits, _misses = _CACHE.labels("hit"), _CACHE.labels("miss")
_waits = {lane: _WAIT.labels(lane) for lane in LANES}
_depths = {lane: _DEPTH.labels(lane) for lane in LANES}
_categories = {OTHER_CATEGORY: _ENTITIES.labels(OTHER_CATEGORY)}
_OLDEST.set(math.inf)


def describe(version: str, fingerprint: str, categories: Iterable[str]) -> None:
    """Say at the start what runs here; entities of a category not named here count as `other`."""
    _BUILD.labels(version, fingerprint).set(1)
    _categories.update((category, _ENTITIES.labels(category)) for category in categories)


# --- a note's way --------------------------------------------------------------------------------


def note_in(count: int = 1) -> None:
    _NOTES_IN.inc(count)


def note_out(timestamp_ms: int, reason: str | None = None) -> None:
    """One note's answer was committed; `timestamp_ms` is its input record's, -1 (unknown) taken as now.

    `reason` is why it was dead-lettered, None when it was not.
    """
    (_NOTES_OUT if reason is None else _dead[reason]).inc()
    age = time.time() - timestamp_ms / 1000 if timestamp_ms >= 0 else 0.0
    _LATENCY.observe(max(0.0, age))


class _Timer:
    __slots__ = ("_child", "_started")

    def __init__(self, child: Histogram) -> None:
        self._child = child

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.observe(time.perf_counter() - self._started)


def stage(name: Stage) -> _Timer:
    """`with stage("decode"): …` enters the time it took, awaits and errors included."""
    return _Timer(_stages[name])


class _HasCategory(Protocol):
    @property
    def category(self) -> str: ...


def entities(found: Iterable[_HasCategory]) -> None:
    other = _categories[OTHER_CATEGORY]
    for category, count in Tally(entity.category for entity in found).items():
        _categories.get(category, other).inc(count)


def released(notes: int, seconds: float) -> None:
    """One run of `notes` finished notes was committed in `seconds`."""
    _RUN_NOTES.observe(notes)
    _stages["release"].observe(seconds)


def unreleased(notes: int, oldest: float | None) -> None:
    """How many notes this process holds, and the Unix time at which it took in the oldest of them."""
    _UNRELEASED.set(notes)
    _OLDEST.set(math.inf if oldest is None else oldest)


def assigned(partitions: int) -> None:
    _PARTITIONS.set(partitions)


def publish_refused(kind: PublishFault) -> None:
    _refused[kind].inc()


# --- the cache and the engine --------------------------------------------------------------------


class CacheObserver:
    """What happens in the cache of this process."""

    def found(self, hits: int, misses: int) -> None:
        _hits.inc(hits)
        _misses.inc(misses)

    def failed(self, kind: CacheFault) -> None:
        _cache_faults[kind].inc()

    def breaker(self, is_open: bool) -> None:
        _BREAKER.set(is_open)


def waited(lane: Lane, seconds: float) -> None:
    """How long a request of this process waited for the device; `models.observer.Waited`."""
    _waits[lane].observe(seconds)


class EngineObserver:
    """What happens in the engine of this process; `models.engine.Observer`."""

    def readers(self, count: int) -> None:
        _READERS.set(count)

    def batch(self, tokens: int, budget: int, windows: int, seconds: float) -> None:
        _BATCH_TOKENS.observe(tokens)
        _BATCH_FILL.observe(tokens / budget)
        _BATCH_WINDOWS.observe(windows)
        _BATCH_SECONDS.observe(seconds)

    def depth(self, lane: Lane, windows: int) -> None:
        _depths[lane].set(windows)

    def busy(self, seconds: float) -> None:
        _BUSY.inc(seconds)


# --- the page ------------------------------------------------------------------------------------


class Node(Collector):
    """The supervisor's side: the folder its processes count in, and what only the supervisor knows.

    Children must be started with `environment`; what stood in the folder before is removed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder.glob("*.db"):
            old.unlink()
        self._folder = folder
        self._lock = threading.Lock()
        self.engine_up = False
        self.engine_restarts = 0
        self.workers = 0
        self.worker_restarts = 0

    @property
    def environment(self) -> dict[str, str]:
        return {FOLDER_VARIABLE: str(self._folder)}

    def forget(self, pid: int) -> None:
        """A child is dead: its gauges go, its counts are kept in one file for all the dead."""
        with self._lock:
            for path in self._folder.glob(f"*_{pid}.db"):
                if not path.name.startswith("gauge") and path.stat().st_size:
                    _add(path, self._folder / path.name.replace(f"_{pid}.db", "_0.db"))
                path.unlink()

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            # A file that a child has only just opened is still empty.
            here = (own for own in os.scandir(self._folder) if own.name.endswith(".db"))
            yield from _merge([own.path for own in here if own.stat().st_size])
        yield GaugeMetricFamily("streamer_engine_up", "1: the engine answers.", self.engine_up)
        yield GaugeMetricFamily("streamer_workers", "Worker processes that run.", self.workers)
        for name, count in (("engine", self.engine_restarts), ("worker", self.worker_restarts)):
            yield CounterMetricFamily(f"streamer_{name}_restarts", f"Times the {name} was restarted.", count)


_merge: Callable[[list[str]], Iterable[Metric]] = MultiProcessCollector.merge
_open: Callable[[str], Any] = MmapedDict


def _add(dead: Path, total: Path) -> None:
    sums, counted = _open(str(total)), _open(str(dead))
    for key, value, _ in counted.read_all_values():
        sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    sums.close()
    counted.close()


class _Page(Collector):
    def __init__(self, health: Callable[[], Health], counts: Node | CollectorRegistry) -> None:
        self._health = health
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "streamer_ready", "1: notes are being taken and answered.", self._health().ready
        )
        yield from self._counts.collect()


def counts_into_node() -> bool:
    """Whether this process counts into a node's folder, and so serves no page of its own."""
    return FOLDER_VARIABLE in os.environ


def serve(host: str, port: int, health: Callable[[], Health], node: Node | None = None) -> Server:
    """Serve the page of `node`, or, without one, of this process alone, beside `/healthz` and `/readyz`.

    Port 0 takes any free one. `health` is called at every request, from another thread.
    Raises SettingError when the port cannot be had.
    """
    page = _Page(health, node or _PROCESS)
    return Server(host, port, health, lambda: (CONTENT_TYPE_LATEST, prometheus_client.generate_latest(page)))
