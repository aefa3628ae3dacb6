"""The real Prometheus against a running node: every expression of dashboard and alerts returns data."""

from __future__ import annotations

import itertools
import json
import math
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from models.types import LANES
from streamer import topics
from streamer.chaos import places
from streamer.chaos.places import Topics
from streamer.chaos.processes import Node
from streamer.embedded import KafkaCluster, RedisServer
from tests.checkpoints import huggingface_folder
from tests.integration.prometheus import BINARY, Prometheus
from tests.monitored import alert_expressions, dashboard_expressions, read_page, without_threshold

pytestmark = pytest.mark.timeout(600)
CANARY = "Zebulon-7731"
PATIENCE_S = 120.0
needs_prometheus = pytest.mark.skipif(
    BINARY is None, reason="no prometheus here: apt-get install prometheus (root), then run this again"
)


@pytest.fixture(scope="module")
def at(kafka: KafkaCluster) -> Topics:
    return places.topics(kafka.bootstrap)


@pytest.fixture(scope="module")
def node(at: Topics, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("node")
    more = {
        "redis": redis_server.url,
        "cache_secret": secrets.token_hex(32),
        "checkpoint": str(huggingface_folder(folder / "checkpoint")),
        "workers": "2",
    }
    with Node(at, folder, **more) as running:
        running.wait_until_ready()
        yield running
        assert running.stop() == 0, running.log.read_text()


class Sender:
    """Sends notes in every lane, some of them broken, some seen before."""

    def __init__(self, at: Topics) -> None:
        self._topic = at.input
        self._producer = KafkaProducer(bootstrap_servers=at.bootstrap, linger_ms=5)
        self._numbers = itertools.count()

    def send(self, count: int) -> None:
        for number in itertools.islice(self._numbers, count):
            lane = LANES[number % len(LANES)].encode()
            self._producer.send(
                self._topic,
                key=f"{CANARY}-{number % 50}".encode(),
                value=self._value(number),
                headers=[(topics.LANE_HEADER, lane), ("x-source", CANARY.encode())],
            )
        self._producer.flush()

    def close(self) -> None:
        self._producer.close()

    def _value(self, number: int) -> bytes:
        if number % 25 == 7:
            return b'{"id": "broken", "text": '
        text = f"{CANARY} denies chest pain. Takes aspirin {number % 200} mg."
        return json.dumps({"id": f"{CANARY}-{number}", "text": text}).encode()


@pytest.fixture
def sender(at: Topics) -> Iterator[Sender]:
    sender = Sender(at)
    yield sender
    sender.close()


def answered(node: Node) -> float:
    """Notes that the page says were committed, one way or the other."""
    page = read_page(f"http://{node.address}")
    names = ("streamer_notes_out_total", "streamer_notes_dead_lettered_total")
    return sum(value for name, value in page.items() if name.startswith(names))


def wait_until_answered(node: Node, count: float) -> None:
    """However slow it is, as long as it goes on."""
    so_far, since = -1.0, time.monotonic()
    while (now := answered(node)) < count:
        if now > so_far:
            so_far, since = now, time.monotonic()
        assert time.monotonic() < since + PATIENCE_S, f"{now} of {count}\n{node.log.read_text()}"
        time.sleep(0.1)


@needs_prometheus
def test_every_expression_returns_data(node: Node, sender: Sender, tmp_path: Path) -> None:
    wanted = dashboard_expressions("20s") + [
        place._replace(promql=without_threshold(place.promql)) for place in alert_expressions()
    ]
    stop = threading.Event()

    def keep_sending() -> None:
        while not stop.wait(0.2):
            sender.send(5)

    thread = threading.Thread(target=keep_sending)
    thread.start()
    try:
        with Prometheus(tmp_path) as prometheus:
            prometheus.watch(str(node.address))
            prometheus.wait_for("rate(streamer_notes_out_total[20s]) > 0")
            prometheus.wait_for("sum(rate(streamer_notes_dead_lettered_total[20s])) > 0")
            prometheus.wait_for('rate(streamer_cache_passages_total{outcome="hit"}[20s]) > 0')
            prometheus.wait_for("count(rate(streamer_queue_wait_seconds_count[20s]) > 0) == 3")
            prometheus.wait_for("count_over_time(streamer_build_info[1m]) > 5")
            values = {place: prometheus.query(place.promql) for place in wanted}
            rules = prometheus.rules()
    finally:
        stop.set()
        thread.join()

    empty = [place for place, series in values.items() if not series]
    assert not empty
    undefined = [place for place, series in values.items() if all(math.isnan(value) for _, value in series)]
    assert not undefined
    assert all(rule["health"] == "ok" for rule in rules), rules
    assert not [rule["name"] for rule in rules if rule["state"] == "firing"]
    for place, series in values.items():
        print(f"{place.place:40} {len(series):3} series, first {series[0][1]:10.4g}   {place.promql!r}")


def test_the_number_of_series_does_not_grow_with_the_notes(node: Node, sender: Sender) -> None:
    sender.send(100)
    wait_until_answered(node, 100)
    before = read_page(f"http://{node.address}")
    sender.send(10_000)
    wait_until_answered(node, 10_100)
    after = read_page(f"http://{node.address}")
    assert after.keys() == before.keys()
    assert not [name for name in after if CANARY in name]
    assert after["streamer_note_latency_seconds_count"] == answered(node)
    assert after["streamer_entities_total{category=other}"] == 0
