"""What a stream is measured on: nodes on embedded servers, and the engine alone in a process of its own."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from models import acceptance, calibration, kept
from models.bench import run as bench_run
from models.bench import shapes
from models.bench.child import Work, write_work
from models.bench.process import PeerFailed, PeerProcess
from models.checkpoint import Checkpoint, open_checkpoint
from models.precision import Precision, Wanted
from streamer import local_node, settings, topic_admin
from streamer.bench_notes import BenchNote
from streamer.bench_traffic import KafkaTopic, Traffic
from streamer.errors import SettingError
from streamer.ports import Port

PEERS = Path(calibration.__file__).parent / "bench" / "peers"
START_S, READ_S = 240.0, 600.0
SETTLE_S = 0.1
TOKENS_READ = "streamer_batch_tokens_sum"
PARTS = (
    ("engine", "streamer engine"),
    ("workers", "streamer worker"),
    ("workers", "streamer.chaos.echo"),
    ("supervisor", "streamer run"),
    ("kafka", "kafka.Kafka"),
    ("redis", "redis-server"),
)
"""Parts of a stream, each with words of its command line."""


@dataclass(frozen=True)
class Shape:
    """A checkpoint and how it is read here; `environment` is for processes that import torch."""

    name: str
    checkpoint: Checkpoint
    device: str
    precision: Precision
    environment: Mapping[str, str]
    accept_loss: float


def shape(name: bench_run.Shape, folder: str, device: str, precision: Wanted, accept_loss: float) -> Shape:
    """`folder`'s checkpoint or BERT-base, in `precision` or what is fastest here. Raises CheckpointError."""
    checkpoint = open_checkpoint(folder)
    if name == "bert-base":
        random = shapes.bert_base(cache_folder(), checkpoint.tokenizer)
        checkpoint, accept_loss = open_checkpoint(random), acceptance.UNMEASURED  # it has nothing to lose
    chosen = calibration.choose(checkpoint, device, precision, accept_loss)
    called = shapes.called(checkpoint.name, checkpoint.encoder)
    environment = {**calibration.CACHES, **chosen.environment}
    return Shape(called, checkpoint, device, chosen.precision, environment, accept_loss)


def given(asked: Mapping[str, object]) -> dict[str, Any]:
    """What is not None."""
    return {name: value for name, value in asked.items() if value is not None}


def cache_folder() -> Path:
    """Where weights to measure with, and the environment of infinity-emb, are kept for this user."""
    folder = kept.folder("bench")
    if folder is None:
        raise SettingError("weights to measure with need a place: set XDG_CACHE_HOME to a folder")
    return folder


def device_name(of: Shape) -> str:
    """The processor's, or the card's."""
    return bench_run.device_name("cpu" if of.device == "auto" else of.device)


# --- the engine alone ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Read:
    """Some notes, read by the engine alone."""

    seconds: float
    windows: Sequence[int]

    @property
    def tokens(self) -> int:
        return sum(self.windows)


class Alone:
    """The engine without a stream; its process sleeps while it is not asked."""

    def __init__(self, process: PeerProcess) -> None:
        self._process = process

    def read(self, notes: Sequence[BenchNote]) -> Read:
        return Read(**self._process.call("notes", READ_S, texts=[note.text for note in notes]))


@contextmanager
def peer(name: str, of: Shape, folder: Path, options: Mapping[str, Any]) -> Iterator[PeerProcess]:
    """One of `models.bench.peers`, started; `folder` is for the file that says what to do."""
    device = "cpu" if of.device == "auto" else of.device
    file, cores = folder / f"{name}.json", len(os.sched_getaffinity(0))
    write_work(file, Work(str(of.checkpoint.folder), "", str(folder), device, cores, (), {}))
    with PeerProcess(PEERS / f"{name}.py", file, dict(options), environment=of.environment) as process:
        process.call("start", START_S)
        yield process


def gemm_peaks(of: Shape, folder: Path, seconds: float) -> dict[str, float]:
    """GFLOP/s by precision, the best of three tries; empty where they cannot be measured."""
    options = {"shapes": shapes.products(of.checkpoint.encoder)}
    try:
        with peer("gemm", of, folder, options) as process:
            tries = [process.call("peaks", READ_S, seconds=seconds / 3) for _ in range(3)]
            return {name: max(one[name] for one in tries) for name in tries[0]}
    except PeerFailed:
        return {}


# --- a node --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A running node with topics of its own, and the load on it."""

    port: int
    traffic: Traffic

    @property
    def tokens_read(self) -> float:
        """Tokens that its engine has read since the start; a batch is counted just after it is answered."""
        seen, now = -1.0, local_node.metric(self.port, TOKENS_READ)
        while now != seen:
            time.sleep(SETTLE_S)
            seen, now = now, local_node.metric(self.port, TOKENS_READ)
        return now


def names(own: str) -> dict[str, str]:
    """Settings of a group and topics that nobody else has."""
    return {
        "group": own,
        "input_topic": f"{own}-notes",
        "output_topic": f"{own}-annotations",
        "dead_letter_topic": f"{own}-dead",
    }


class Bed:
    """Nodes on the same servers."""

    def __init__(self, bootstrap: str, redis: str, of: Shape) -> None:
        self._bootstrap, self._redis, self._shape = bootstrap, redis, of
        self._numbers = count(1)

    @contextmanager
    def node(self, workers: int, partitions: int, delivery: str | None = None) -> Iterator[Node]:
        """From ready to drained; `delivery`: as the settings name it. Nothing of another node's is in its
        topics or its cache.
        """
        name = f"bench-{next(self._numbers)}"
        with Port() as port:
            chosen = settings.load(
                bootstrap=self._bootstrap,
                redis=self._redis,
                checkpoint=str(self._shape.checkpoint.folder),
                device=self._shape.device,
                precision=self._shape.precision,
                accept_loss=self._shape.accept_loss,
                workers=workers,
                delivery=delivery,
                **names(name),
                metrics_port=port.number,
                cache_secret=secrets.token_hex(32),
            )
            topic_admin.create_topics(chosen, partitions)
            with local_node.running(chosen) as alive, KafkaTopic(chosen) as topic:
                yield Node(chosen.metrics_port, Traffic(topic, alive))


# --- who used the processor ----------------------------------------------------------------------


def processor_seconds(own: Callable[[], psutil.Process] = psutil.Process) -> dict[str, float]:
    """Seconds of processor time that each part of the stream, and the load itself, has used so far."""
    me = own()
    used = dict.fromkeys([name for name, _ in PARTS], 0.0)
    used["load"] = _seconds(me)
    for child in me.children(recursive=True):
        try:
            command = " ".join(child.cmdline())
            part = next((name for name, words in PARTS if words in command), None)
            if part is not None:
                used[part] += _seconds(child)
        except psutil.Error:  # it ended meanwhile
            continue
    return used


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
