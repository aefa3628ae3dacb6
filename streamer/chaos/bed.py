"""What rows run on: real servers, started once; nodes on them, shared while they are whole."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from kafka.errors import KafkaError

from streamer.chaos import canaries, newer, notes
from streamer.chaos.account import shape
from streamer.chaos.places import AUTHORISING, ROOT, Topics, topics
from streamer.chaos.processes import Node, Process, echo_worker
from streamer.chaos.reader import Reader
from streamer.children import bound_to_us
from streamer.embedded import KafkaCluster, RedisServer
from streamer.embedded.jars import Progress
from streamer.errors import WorldError
from streamer.settings import SHIPPED_CHECKPOINT

PARTITIONS = 4
NARROW = "20000"
"""Bytes that the output topic of that stage takes."""
CALM, CALM_S = "calm", 600.0
SHORT_NOTES, LONG_NOTES, POOL = 300, 10_000, 600
RECOVERY_S, STARVED = 15.0, 4
OUR_HEADERS = ("ce_", "__connect.", "streamer-", "content-type")


@dataclass(frozen=True)
class Plan:
    """`notes` a row; `long`: as often and as long as the table of faults says; `soak_s`: of row 30."""

    notes: int = SHORT_NOTES
    seed: int = 1
    long: bool = False
    soak_s: float = 1800.0

    @property
    def recovery_s(self) -> float:
        """How soon after a kill notes must flow again; `long` is for a machine with nothing else to do."""
        return RECOVERY_S if self.long else RECOVERY_S * STARVED

    def times(self, short: int, long: int) -> int:
        """How often a fault is made."""
        return long if self.long else short


@dataclass
class Stage:
    """Topics, who reads them, and what is between."""

    name: str
    at: Topics
    reader: Reader
    processes: list[Process] = field(default_factory=list)
    cluster: KafkaCluster | None = None
    """One of its own, to be killed."""

    @property
    def node(self) -> Node:
        (node,) = self.processes
        assert isinstance(node, Node)
        return node

    def end(self) -> None:
        for process in self.processes:
            process.end()
        self.reader.__exit__()
        if self.cluster is not None:
            self.cluster.close()


class Bed:
    """Use it in a `with` statement. `stage` gives the node of that name, made when first asked for."""

    def __init__(self, folder: Path, plan: Plan, progress: Progress | None = None) -> None:
        self.plan, self.folder = plan, folder
        self.pool = notes.texts(POOL, plan.seed)
        self.secret = secrets.token_hex(32)
        self._progress = progress
        self.kafka = KafkaCluster(progress=progress, settings=AUTHORISING)
        self.redis = RedisServer()
        self._stages: dict[str, Stage] = {}
        self._calm: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Bed:
        for name in ("tmp", CALM):
            (self.folder / name).mkdir()
        try:
            self.redis.start()
            self.kafka.start()
            self._calm = self._annotate_in_peace()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._stages):
            self.drop(name)
        if self._calm is not None:
            self._calm.kill()
            self._calm.wait()
        self.kafka.close()
        self.redis.close()

    # --- an undisturbed run ----------------------------------------------------------------------

    def _annotate_in_peace(self) -> subprocess.Popen[bytes]:
        """`streamer annotate` reads every text of the pool meanwhile: no brokers, no cache, no faults."""
        folder = self.folder / CALM
        lines = (json.dumps({"id": str(n), "text": text}) for n, text in enumerate(self.pool))
        (folder / "notes.jsonl").write_text("\n".join(lines) + "\n")
        at = Topics("localhost:9092", "none", 1)
        with (folder / "records.jsonl").open("wb") as out, (folder / "log").open("wb") as log:
            return subprocess.Popen(
                bound_to_us([sys.executable, "-m", "streamer", "annotate", "notes.jsonl"]),
                env=at.environment(), cwd=folder, stdout=out, stderr=log,
            )  # fmt: skip

    @cached_property
    def expected(self) -> dict[str, Any]:
        """The shape of the record of every text of the pool."""
        assert self._calm is not None
        if self._calm.wait(CALM_S):
            raise WorldError("`streamer annotate` failed on the texts that the rows are compared with")
        lines = (self.folder / CALM / "records.jsonl").read_bytes().splitlines()
        return {text: shape(line) for text, line in zip(self.pool, lines, strict=True)}

    # --- stages ----------------------------------------------------------------------------------

    def main(self) -> Stage:
        """A node with two workers and the cache, on the shared servers."""
        return self._node(
            "main", self.kafka, None, redis=self.redis.url, cache_secret=self.secret, workers="2"
        )

    def narrow(self) -> Stage:
        """A node whose output topic takes records of 20 kB, and which can be spoilt."""
        return self._node("narrow", self.kafka, None, max_message_bytes=NARROW)

    def trio(self) -> Stage:
        """A node on three brokers of its own."""
        if "trio" in self._stages:
            return self._stages["trio"]
        cluster = KafkaCluster(3, progress=self._progress)
        cluster.start()
        return self._node("trio", cluster, cluster)

    def versions(self) -> Stage:
        """A node on topics of its own, with the cache; `newer` comes beside it."""
        return self._node("versions", self.kafka, None, redis=self.redis.url, cache_secret=self.secret)

    def newer(self, stage: Stage) -> Node:
        """Another node of that group, of another version of code and checkpoint."""
        folder, name = self.folder / stage.name, f"{stage.name}-newer"
        root = newer.make(folder / "code")
        checkpoint = newer.checkpoint(SHIPPED_CHECKPOINT, folder / "checkpoint")
        node = Node(
            stage.at,
            folder,
            name,
            str(self.folder / "tmp"),
            root,
            redis=self.redis.url,
            cache_secret=self.secret,
            checkpoint=str(checkpoint),
        )
        stage.processes.append(node)
        return node

    def echoes(self, name: str, count: int, partitions: int = PARTITIONS, **more: str) -> Stage:
        """Workers with a stand-in for the pipeline, on topics of their own; only for this row."""
        at = topics(self.kafka.bootstrap, partitions)
        stage = self._stages[name] = Stage(name, at, self._reader(at))
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        stage.processes += [echo_worker(at, folder, f"{name}-{n}", **more) for n in range(count)]
        return stage

    def one_more(self, stage: Stage, **more: str) -> Process:
        """Another worker like those of `echoes`."""
        name = f"{stage.name}-{len(stage.processes)}"
        stage.processes.append(echo_worker(stage.at, self.folder / stage.name, name, **more))
        return stage.processes[-1]

    def read_anew(self, stage: Stage, prepare: Callable[[], None]) -> None:
        """Another reader, from the beginning: topics were taken away meanwhile. `prepare` makes them."""
        stage.reader.__exit__()
        prepare()
        stage.reader = self._reader(stage.at)

    def _node(self, name: str, on: KafkaCluster, own: KafkaCluster | None, **more: str) -> Stage:
        if name in self._stages:
            return self._stages[name]
        configs = {key: more.pop(key) for key in ("max_message_bytes",) if key in more}
        at = topics(on.bootstrap, PARTITIONS, **configs)
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        node = Node(at, folder, name, str(self.folder / "tmp"), ROOT, **more)
        stage = self._stages[name] = Stage(name, at, self._reader(at), [node], own)
        node.wait_until_ready()
        return stage

    def _reader(self, at: Topics) -> Reader:
        return Reader(at, notes.name_of).__enter__()

    def drop(self, name: str) -> None:
        """Ends that stage; the next row that wants it gets a fresh one."""
        if (stage := self._stages.pop(name, None)) is not None:
            with suppress(WorldError, KafkaError):
                stage.end()

    def keep_only(self, names: Collection[str]) -> None:
        """Ends the other stages: nobody needs them any more."""
        for name in set(self._stages).difference(names):
            self.drop(name)

    def kill(self) -> None:
        """Everything, at once: what waits for any of it comes back. From another thread."""
        for stage in list(self._stages.values()):
            for process in stage.processes:
                process.kill()

    # --- the cache, and what must not be found ---------------------------------------------------

    def forget(self) -> None:
        """Empties the cache, so that the encoder has work."""
        with redis.Redis.from_url(self.redis.url) as client:
            client.flushall()

    def left_behind(self, stage: Stage) -> Iterable[tuple[str, bytes]]:
        """All that left the service but records, piece by piece with the name of where it was."""
        yield from canaries.files(self.folder / stage.name)
        yield from canaries.files(self.folder / "tmp")
        for process in stage.processes:
            if isinstance(process, Node):
                with suppress(OSError):
                    yield "metrics", process.get("/metrics")[1].encode()
        for headers in list(stage.reader.seen.headers.values()):
            ours = [f"{key}: ".encode() + value for key, value in headers if key.startswith(OUR_HEADERS)]
            yield "a header", b"\n".join(ours)
        yield from self._cached()

    def left_over(self) -> Iterable[tuple[str, bytes]]:
        """What all rows together left: every file of their stages, over or not, and the cache.

        Not the texts themselves and what `streamer annotate` says of them: the rows are compared with that.
        """
        for folder in sorted(self.folder.iterdir()):
            if folder.name != CALM:
                yield from canaries.files(folder)
        yield CALM, (self.folder / CALM / "log").read_bytes()
        yield from self._cached()

    def _cached(self) -> Iterable[tuple[str, bytes]]:
        if self.redis.pid is not None:
            with redis.Redis.from_url(self.redis.url) as client:
                for key in client.scan_iter(count=1000):
                    yield "the cache", key + b" " + (client.get(key) or b"")
