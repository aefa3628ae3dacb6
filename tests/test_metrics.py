"""One page for a node: what is counted, how processes add up, and that labels stay closed."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.types import LANES
from streamer import metrics
from streamer.endpoints import Health, Server
from streamer.errors import REASONS, SettingError
from tests.monitored import page

GOOD = Health(live=True, ready=True)
UNITS = ("_seconds", "_tokens", "_notes", "_windows", "_ratio")


@dataclass(frozen=True)
class Found:
    category: str


@contextlib.contextmanager
def serving(node: metrics.Node | None = None, health: Health = GOOD) -> Iterator[Server]:
    server = metrics.serve("127.0.0.1", 0, lambda: health, node)
    try:
        yield server
    finally:
        server.close()


def fetch(server: Server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def child(node: metrics.Node, code: str) -> int:
    """Run `code` as a process of the node; its id."""
    command = [sys.executable, "-c", f"from streamer import metrics\n{code}"]
    process = subprocess.Popen(command, env={**os.environ, **node.environment})
    assert process.wait() == 0
    return process.pid


@pytest.fixture
def node(tmp_path: Path) -> metrics.Node:
    return metrics.Node(tmp_path / "metrics")


# --- what is counted -----------------------------------------------------------------------------


def test_every_series_is_there_before_the_first_note() -> None:
    seen = page()
    assert {f"streamer_notes_dead_lettered_total{{reason={reason}}}" for reason in REASONS} <= set(seen)
    assert {f"streamer_stage_seconds_count{{stage={stage}}}" for stage in metrics.STAGES} <= set(seen)
    assert {f"streamer_queue_wait_seconds_count{{lane={lane}}}" for lane in LANES} <= set(seen)
    assert {f"streamer_cache_errors_total{{kind={kind}}}" for kind in metrics.CACHE_FAULTS} <= set(seen)
    assert {f"streamer_publish_errors_total{{kind={kind}}}" for kind in metrics.PUBLISH_FAULTS} <= set(seen)


def test_names_carry_their_unit_and_help() -> None:
    with serving() as server:
        families = list(text_string_to_metric_families(fetch(server, "/metrics")[1]))
    assert len(families) > 20
    for family in families:
        assert family.name.startswith("streamer_")
        assert family.documentation
        if family.type == "histogram":
            assert family.name.endswith(UNITS), family.name
    assert not [f.name for f in families if f.name.endswith(("_created", "_ms", "_milliseconds"))]


def test_a_note_is_counted_once_with_its_latency() -> None:
    before = page()
    metrics.note_in(3)
    metrics.note_out(int((time.time() - 2) * 1000))
    metrics.note_out(int(time.time() * 1000), "not-utf8")
    after = page()
    assert after["streamer_notes_in_total"] - before["streamer_notes_in_total"] == 3
    assert after["streamer_notes_out_total"] - before["streamer_notes_out_total"] == 1
    dead = "streamer_notes_dead_lettered_total{reason=not-utf8}"
    assert after[dead] - before[dead] == 1
    latency = "streamer_note_latency_seconds_sum"
    assert after[latency] - before[latency] == pytest.approx(2, abs=0.5)


@pytest.mark.parametrize("ahead_ms", [None, 86_400_000, 2**62], ids=["unknown", "a day ahead", "far ahead"])
def test_latency_clamps_at_zero_when_clocks_disagree(ahead_ms: int | None) -> None:
    before = page()
    metrics.note_out(-1 if ahead_ms is None else int(time.time() * 1000) + ahead_ms)
    after = page()
    assert after["streamer_note_latency_seconds_sum"] == before["streamer_note_latency_seconds_sum"]
    count = "streamer_note_latency_seconds_count"
    assert after[count] - before[count] == 1


def test_a_reason_outside_the_closed_list_is_a_bug() -> None:
    with pytest.raises(KeyError):
        metrics.note_out(0, "Mr Miller's note")


def test_a_stage_is_timed_even_when_it_fails() -> None:
    name = "streamer_stage_seconds_count{stage=decode}"
    before = page()[name]
    with contextlib.suppress(ValueError), metrics.stage("decode"):
        raise ValueError
    assert page()[name] - before == 1


def test_entities_of_unknown_categories_open_no_series() -> None:
    metrics.describe("1.0", "f00d", ["DISEASE"])
    before = page()
    metrics.entities([Found("DISEASE"), Found("DISEASE"), *(Found(f"PATIENT-{n}") for n in range(100))])
    after = page()
    assert after.keys() == before.keys()
    for category, count in (("DISEASE", 2), ("other", 100)):
        name = f"streamer_entities_total{{category={category}}}"
        assert after[name] - before[name] == count


def test_the_number_of_series_does_not_grow_with_the_notes() -> None:
    counts = []
    for notes in (100, 10_000):
        for number in range(notes):
            metrics.note_in()
            with metrics.stage("cache"):
                metrics.entities([Found(f"{number}")])
            metrics.unreleased(number, float(number))
            metrics.note_out(number)
        counts.append(len(page()))
    assert counts[0] == counts[1]


def test_the_oldest_unreleased_note_is_infinitely_young_when_there_is_none() -> None:
    metrics.unreleased(0, None)
    assert page()["streamer_unreleased_oldest_timestamp_seconds"] == math.inf


def test_the_engine_its_worker_and_the_cache_report_through_their_observers() -> None:
    before = page()
    engine, cache = metrics.EngineObserver(), metrics.CacheObserver()
    engine.readers(2)
    engine.batch(tokens=1024, budget=4096, windows=5, seconds=0.2)
    metrics.waited("stat", 0.01)
    engine.depth("backfill", 7)
    engine.busy(0.25)
    cache.found(hits=3, misses=1)
    cache.failed("timeout")
    cache.breaker(True)
    after = page()
    cache.breaker(False)
    assert after["streamer_queue_windows{lane=backfill}"] == 7
    assert after["streamer_engine_readers"] == 2
    assert after["streamer_cache_breaker_open"] == 1
    for name, grown in (
        ("streamer_batch_tokens_sum", 1024),
        ("streamer_batch_fill_ratio_sum", 0.25),
        ("streamer_batch_windows_sum", 5),
        ("streamer_device_busy_seconds_total", 0.25),
        ("streamer_queue_wait_seconds_sum{lane=stat}", 0.01),
        ("streamer_cache_passages_total{outcome=hit}", 3),
        ("streamer_cache_passages_total{outcome=miss}", 1),
        ("streamer_cache_errors_total{kind=timeout}", 1),
    ):
        assert after[name] - before[name] == pytest.approx(grown), name


# --- a node of several processes -----------------------------------------------------------------


def test_processes_of_a_node_add_up_on_one_page(node: metrics.Node) -> None:
    hold = "import sys\nmetrics.note_in(5)\nmetrics.describe('1', 'f', ['AGE'])\n"
    child(node, hold + "metrics.unreleased(2, 100.0)\nmetrics.CacheObserver().breaker(True)")
    child(node, hold + "metrics.unreleased(3, 50.0)\nmetrics.released(4, 0.1)")
    child(node, "metrics.EngineObserver().batch(100, 400, 1, 0.1)")
    seen = page(node)
    assert seen["streamer_notes_in_total"] == 10
    assert seen["streamer_unreleased_notes"] == 5
    assert seen["streamer_unreleased_oldest_timestamp_seconds"] == 50
    assert seen["streamer_cache_breaker_open"] == 1
    assert seen["streamer_batch_tokens_sum"] == 100
    assert seen["streamer_build_info{fingerprint=f}{version=1}"] == 1
    assert seen["streamer_transaction_notes_bucket{le=4.0}"] == 1
    assert not [name for name in seen if "pid" in name]


def test_a_dead_process_leaves_its_counts_and_takes_its_gauges(node: metrics.Node, tmp_path: Path) -> None:
    for _ in range(3):
        pid = child(node, "metrics.note_in(5)\nmetrics.unreleased(4, 1.0)\nmetrics.released(16, 0.02)")
        assert page(node)["streamer_unreleased_notes"] == 4
        node.forget(pid)
        assert "streamer_unreleased_notes" not in page(node)
    seen = page(node)
    assert seen["streamer_notes_in_total"] == 15
    assert seen["streamer_transaction_notes_count"] == 3
    assert seen["streamer_transaction_notes_bucket{le=4.0}"] == 0
    assert seen["streamer_stage_seconds_sum{stage=release}"] == pytest.approx(0.06)
    assert sorted(f.name for f in (tmp_path / "metrics").iterdir()) == ["counter_0.db", "histogram_0.db"]


def test_a_child_that_is_only_just_starting_does_not_break_the_page(
    node: metrics.Node, tmp_path: Path
) -> None:
    (tmp_path / "metrics" / "counter_1.db").touch()
    assert page(node)["streamer_engine_up"] == 0
    node.forget(1)


def test_what_only_the_supervisor_knows_is_on_the_page(node: metrics.Node) -> None:
    node.engine_up, node.workers = True, 2
    node.engine_restarts += 1
    node.worker_restarts += 3
    seen = page(node)
    assert seen["streamer_engine_up"] == 1
    assert seen["streamer_workers"] == 2
    assert seen["streamer_engine_restarts_total"] == 1
    assert seen["streamer_worker_restarts_total"] == 3


def test_a_node_starts_with_an_empty_private_folder(tmp_path: Path) -> None:
    first = metrics.Node(tmp_path / "m")
    child(first, "metrics.note_in()")
    assert "streamer_notes_in_total" not in page(metrics.Node(tmp_path / "m"))
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o700


def test_a_process_knows_whether_it_counts_into_a_node(node: metrics.Node) -> None:
    assert not metrics.counts_into_node()
    child(node, "assert metrics.counts_into_node()")


# --- the endpoints -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("health", "healthz", "readyz"),
    [
        (Health(live=True, ready=True), 200, 200),
        (Health(live=True, ready=False, waiting_for=("engine",)), 200, 503),
        (Health(live=False, ready=False), 503, 503),
    ],
)
def test_health_is_answered_by_status(health: Health, healthz: int, readyz: int) -> None:
    with serving(health=health) as server:
        assert fetch(server, "/healthz")[0] == healthz
        status, body = fetch(server, "/readyz")
        assert status == readyz
        assert json.loads(body)["waiting_for"] == list(health.waiting_for)
        assert f"streamer_ready {float(health.ready)}" in fetch(server, "/metrics")[1]


def test_other_paths_are_not_found_and_nothing_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        assert fetch(server, "/Miller-1234")[0] == 404
        assert "Miller" not in fetch(server, "/Miller-1234")[1]
    assert capfd.readouterr() == ("", "")


def test_a_scraper_that_never_reads_delays_nobody() -> None:
    with serving() as server, socket.create_connection(("127.0.0.1", server.port)) as stalled:
        stalled.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert fetch(server, "/healthz")[0] == 200


def test_a_taken_port_is_one_line_that_says_what_to_do() -> None:
    with serving() as server, pytest.raises(SettingError, match="STREAMER_METRICS_PORT"):
        metrics.serve("127.0.0.1", server.port, lambda: GOOD)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_it_listens_on_ipv6_too() -> None:
    try:
        server = metrics.serve("::1", 0, lambda: GOOD)
    except SettingError:
        pytest.skip("this machine has no IPv6 loopback")
    server.close()
