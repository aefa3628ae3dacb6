"""The faults that alerts are for, made to two nodes; what fires meanwhile is the watch's affair."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from safetensors.torch import load_file, save_file

from models.types import Lane
from streamer import topics
from streamer.chaos import notes, places
from streamer.chaos.places import Topics
from streamer.chaos.processes import Node, Process, echo_worker
from streamer.chaos.waiting import wait_until
from streamer.embedded import RedisServer
from streamer.ports import Port
from tests.checkpoints import huggingface_folder, vocabulary
from tests.integration.alerting import Watch

SECOND_JOB = "streamer-second"
BACK_S = 150.0
PART, FLOOD, AHEAD_S = 50, 25, 15
STILL_REFUSED = 'ALERTS{alertname="StreamerPublishRefused", kind="topic-missing", alertstate="firing"}'
POISON = "日"
"""A word whose row of the second node's embeddings is no number."""


@dataclass
class Deployment:
    """A node, what it reads with, and the notes that it gets: every text is another one."""

    at: Topics
    node: Node
    checkpoint: Path
    sent: int = 0
    texts: Sequence[str] = field(default_factory=lambda: notes.texts(2_000, 1))

    def send(self, count: int, lane: Lane = "routine", again: bool = False) -> None:
        """`again`: texts that it had before."""
        first = self.sent - count if again else self.sent
        loads = [notes.load("a", self.sent + n, self.texts[first + n]) for n in range(count)]
        self.put([own.value or b"" for own in loads], lane)

    def put(self, values: Sequence[bytes], lane: Lane = "routine") -> None:
        header = (topics.LANE_HEADER, lane.encode())
        places.put(self.at, [(str(n % 37).encode(), value, [header]) for n, value in enumerate(values)])
        self.sent += len(values)

    @property
    def answered(self) -> float:
        metric = self.node.metric
        return metric("streamer_notes_out_total") + metric("streamer_notes_dead_lettered_total")

    def wait_for_all(self) -> None:
        wait_until(lambda: self.answered >= self.sent, BACK_S, "every note is answered")

    def kill(self, half: str, times: int) -> None:
        """As soon as it was started anew, again."""
        killed: set[int] = set()
        for _ in range(times):
            wait_until(lambda: bool(set(self.node.of(half)) - killed), BACK_S, f"the {half} is started anew")
            (pid,) = set(self.node.of(half)) - killed
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)


@dataclass
class Scene:
    """What the faults are made to."""

    watch: Watch
    redis: RedisServer
    folder: Path
    first: Deployment
    settings: dict[str, str]

    # --- the first node --------------------------------------------------------------------------

    def strike_the_first(self) -> None:
        self._workers_die()
        self._output_topic_gone()
        self._engine_cannot_start()

    def _workers_die(self) -> None:
        with self.watch.during("a worker is killed three times", "StreamerWorkerRestarts"):
            self.first.kill("worker", 3)
        self.first.node.wait_until_ready()

    def _output_topic_gone(self) -> None:
        watch, at = self.watch, self.first.at
        with watch.during("the output topic is deleted", "StreamerPublishRefused"):
            with places.admin(at.bootstrap) as admin:
                admin.delete_topics([at.output])
            self.first.send(PART)
            # Its worker ended over it, and is refused at every new start: the alert lasts.
            watch.prometheus.wait_for(STILL_REFUSED, BACK_S)
        places.make(at, [at.output])
        self.first.wait_for_all()

    def _engine_cannot_start(self) -> None:
        watch, first = self.watch, self.first
        names = (
            "StreamerEngineDown",
            "StreamerEngineRestarts",
            "StreamerNotReady",
            "StreamerNoProgress",
            "StreamerOldestNoteWaits",
        )
        weights = first.checkpoint / "model.safetensors"
        away = weights.with_suffix(".away")
        with watch.during("the engine is killed and its weights are gone", *names):
            weights.rename(away)
            first.kill("engine", 3)
            first.send(PART)
        away.rename(weights)
        first.wait_for_all()
        watch.settle("StreamerWorkerRestarts", "StreamerPublishRefused", *names)

    # --- the second one --------------------------------------------------------------------------

    def strike_the_second(self) -> None:
        """It joins when a stranger has the only partition of its topic."""
        at = places.topics(self.first.at.bootstrap, 1)
        stranger = echo_worker(at, self.folder, "stranger")
        try:
            stranger.wait_until_assigned()
            with self._second(at) as second:
                self._no_partitions(second, stranger)
                self._flooded(second)
                self._broken_notes(second)
                self._not_finite(second)
                self._lying_cache(second)
                self._cache_gone(second)
                self._taken_back(second)
        finally:
            stranger.end()

    @contextmanager
    def _second(self, at: Topics) -> Iterator[Deployment]:
        checkpoint = poisoned(self.folder / "second-checkpoint")
        texts = notes.texts(300_000, 2)
        longer = [" ".join(texts[n : n + 3]) for n in range(0, len(texts), 3)]
        with Port() as port:
            own = {"checkpoint": str(checkpoint), "metrics_port": str(port.number), "token_budget": "512"}
            with Node(at, self.folder, "second", **self.settings, **own) as node:
                node.wait_until_ready()
                yield Deployment(at, node, checkpoint, texts=longer)

    def _no_partitions(self, second: Deployment, stranger: Process) -> None:
        self.watch.begin("a second node reads with another checkpoint", "StreamerCheckpointsDiffer")
        with self.watch.during("another program of the group has the partitions", "StreamerNoPartitions"):
            self.watch.prometheus.watch(str(second.node.address), SECOND_JOB)
        stranger.end()
        self.watch.settle("StreamerNoPartitions")

    def _flooded(self, second: Deployment) -> None:
        names = ("StreamerUrgentNotesWait", "StreamerLatencyHigh", "StreamerDeviceSaturated")
        with self.watch.during("more notes come than it can read, all marked urgent", *names):
            began = time.monotonic()
            while not self.watch.fired(*names) and time.monotonic() - began < BACK_S:
                done = second.answered
                wanted = FLOOD + AHEAD_S * done / (time.monotonic() - began)
                if second.sent - done < wanted:
                    second.send(max(FLOOD, int(wanted - second.sent + done)), "stat")
                time.sleep(0.2)
        second.wait_for_all()
        self.watch.settle(*names)

    def _broken_notes(self, second: Deployment) -> None:
        with self.watch.during("a sender's notes are no JSON any more", "StreamerDeadLetters"):
            second.put([b'{"id": "cut'] * 20)

    def _not_finite(self, second: Deployment) -> None:
        with self.watch.during("the encoder answers with NaN", "StreamerDeadLettersByDevice"):
            second.put([f'{{"id": "n", "text": "Given {POISON} units."}}'.encode()])

    def _lying_cache(self, second: Deployment) -> None:
        with self.watch.during("somebody writes into our Redis", "StreamerCacheValuesRefused"):
            second.wait_for_all()
            with redis.Redis.from_url(self.redis.url) as client:
                for key in client.scan_iter(count=1000):
                    client.set(key, b"garbage")
            second.send(PART, again=True)

    def _cache_gone(self, second: Deployment) -> None:
        with self.watch.during("Redis is killed", "StreamerCacheBreakerOpen"):
            self.redis.kill()
            second.send(PART)
        self.redis.start()
        second.wait_for_all()
        self.watch.settle(
            "StreamerDeadLetters",
            "StreamerDeadLettersByDevice",
            "StreamerCacheValuesRefused",
            "StreamerCacheBreakerOpen",
        )

    def _taken_back(self, second: Deployment) -> None:
        self.watch.mend("StreamerCheckpointsDiffer")
        assert second.node.stop() == 0
        self.watch.prometheus.forget(SECOND_JOB)
        self.watch.settle("StreamerCheckpointsDiffer")

    # --- both ------------------------------------------------------------------------------------

    def strike_all(self) -> None:
        names = ("StreamerDown", "StreamerAbsent")
        with self.watch.during("every node is killed", *names):
            self.first.node.kill()
        self.first.node.start()
        self.watch.settle(*names)


def poisoned(folder: Path) -> Path:
    """A larger encoder than the usual one of tests, for a flood; one word makes it answer with NaN."""
    large = huggingface_folder(folder, seed=1, hidden_size=192, num_hidden_layers=3, intermediate_size=768)
    weights = large / "model.safetensors"
    tensors = load_file(weights)
    tensors["bert.embeddings.word_embeddings.weight"][vocabulary().index(POISON)] = float("nan")
    save_file(tensors, weights, {"format": "pt"})
    return folder
