"""Every alert fires in the fault that it is for and is over after the mend: real faults, the real Prometheus.

All `for:` and windows of the shipped rules are shortened by one factor, thresholds are not. Two nodes are
struck at the same time, each by one fault after another. `pytest -s` prints the table that stands in
monitoring/runbook.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from streamer.chaos import places
from streamer.chaos.processes import Node
from streamer.embedded import KafkaCluster, RedisServer
from streamer.ports import Port
from tests.checkpoints import huggingface_folder
from tests.integration.alerting import Shown, Watch
from tests.integration.prometheus import BINARY, Prometheus
from tests.integration.striking import Deployment, Scene
from tests.monitored import alerts

FASTER = 60
"""A minute of a rule is a second here."""
QUIET_S = 5.0

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(BINARY is None, reason="no prometheus here: apt-get install prometheus (root)"),
    # kafka-python leaves sockets open of which it was refused something
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]


@dataclass(frozen=True)
class Run:
    """`calm`: whether no alert fired while all was well."""

    calm: bool
    shown: dict[str, Shown]


@pytest.fixture(scope="module")
def run(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("alerts")
    with RedisServer() as server, Port() as port:
        settings = {"redis": server.url, "cache_secret": secrets.token_hex(32), "workers": "1"}
        checkpoint = huggingface_folder(folder / "first-checkpoint")
        at = places.topics(kafka.bootstrap)
        own = settings | {"checkpoint": str(checkpoint), "metrics_port": str(port.number)}
        prometheus = Prometheus(folder, FASTER)
        with Node(at, folder, "first", **own) as node:
            node.wait_until_ready()
            prometheus.watch(str(node.address))
            with prometheus, Watch(prometheus) as watch:
                yield struck(Scene(watch, server, folder, Deployment(at, node, checkpoint), settings))


def struck(scene: Scene) -> Run:
    """All faults, one after another; the two nodes at the same time."""

    def notes_pass() -> None:
        scene.first.send(5)
        scene.first.wait_for_all()

    scene.watch.prometheus.wait_for("streamer_ready == 1")
    calm = scene.watch.calm(QUIET_S, notes_pass)
    with ThreadPoolExecutor(2) as pool:
        for strike in [pool.submit(scene.strike_the_first), pool.submit(scene.strike_the_second)]:
            strike.result()
    scene.strike_all()
    print("\n" + table(scene.watch.shown))
    return Run(calm, scene.watch.shown)


def table(shown: Mapping[str, Shown]) -> str:
    """As in monitoring/runbook.md."""
    order = [rule["alert"] for rule in alerts()]
    lines = ["| alert | fault that was made | fired after, s | over after the mend, s |", "|---|---|---|---|"]
    for alert in order:
        own = shown[alert]
        lines.append(f"| {alert} | {own.fault} | {said(own.fired_after)} | {said(own.cleared_after)} |")
    return "\n".join(lines)


def said(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"


def test_nothing_fires_while_all_is_well(run: Run) -> None:
    assert run.calm


@pytest.mark.parametrize("alert", [rule["alert"] for rule in alerts()])
def test_it_fires_in_its_fault_and_is_over_after_the_mend(alert: str, run: Run) -> None:
    own = run.shown[alert]
    assert not own.before, f"fired before: {own.fault}"
    assert own.fired_after is not None, f"did not fire: {own.fault}"
    assert own.cleared_after is not None, f"still fires: {own.fault}"
