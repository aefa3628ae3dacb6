"""What is wrong is said in one line with what mends it; nothing here needs a server."""

from __future__ import annotations

import json
import resource
import shutil
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from streamer import doctor, permissions, settings
from streamer.brokers import ssl_context
from streamer.checkups import cache, checkpoint, kafka, machine, network
from streamer.checkups.finding import Finding, bad, good, of_error, sound, unknown
from streamer.embedded.certificates import Authority
from streamer.errors import SettingError
from streamer.settings import SHIPPED_CHECKPOINT
from streamer.topic_admin import Examined, Problem
from tests.test_tls import server

ALL = frozenset({"READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"})
INFO = {
    "redis_version": "7.2.1",
    "maxmemory": 1 << 30,
    "used_memory": 1 << 20,
    "maxmemory_policy": "allkeys-lru",
}


def examined(partitions: int = 6, *problems: Problem, **allowed: frozenset[str] | None) -> Examined:
    names = settings.load().topics
    may = {name: allowed.get(name.replace("-", "_"), ALL) for name in names}
    sealed = tuple(name for name, own in may.items() if own is not None and "DESCRIBE_CONFIGS" not in own)
    return Examined(problems, sealed, dict.fromkeys(names, partitions), may)


def states(findings: list[Finding]) -> list[str]:
    return [finding.state for finding in findings]


# --- how it is said ------------------------------------------------------------------------------


def test_one_line_each_and_a_verdict() -> None:
    findings = [good("kafka", "a"), bad("redis", "b", "c"), unknown("machine", "d", "e")]
    assert [str(one) for one in findings] == [
        "✔ kafka: a", "✘ redis: b. Mend: c", "– machine: d: not looked at, e",
    ]  # fmt: skip
    assert doctor.summary(findings) == "1 good, 1 bad, 1 not looked at: mend these, and ask again"
    assert doctor.summary(findings[::2]) == "1 good, 0 bad, 1 not looked at: a node can start"


def test_a_script_reads_the_same() -> None:
    told = json.loads(json.dumps(doctor.report([good("kafka", "a"), bad("redis", "b", "c")])))
    assert told == {
        "ok": False,
        "checks": [
            {"area": "kafka", "state": "good", "what": "a"},
            {"area": "redis", "state": "bad", "what": "b", "mend": "c"},
        ],
    }


def test_what_was_not_looked_at_is_no_fault() -> None:
    assert sound([unknown("redis", "the cache", "there is none"), good("kafka", "a")])
    assert str(of_error("kafka", SettingError("a is so: do b: c"))) == "✘ kafka: a is so. Mend: do b: c"


# --- the way to a server -------------------------------------------------------------------------


def test_a_name_without_an_address_and_a_port_without_a_server() -> None:
    (nameless,) = network.way("kafka", "kafka.invalid", 9092, None)
    assert nameless.what == "kafka.invalid has no address"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (silent,) = network.way("redis", "127.0.0.1", port, None)
    assert (silent.what, "STREAMER_REDIS" in silent.mend) == (f"nobody answers at 127.0.0.1:{port}", True)


@pytest.mark.parametrize(
    ("lasts", "hosts", "why"),
    [
        (timedelta(days=90), ["localhost"], None),
        (timedelta(days=20), ["localhost"], "expires on"),
        (-timedelta(days=1), ["localhost"], "has expired"),
        (timedelta(days=90), ["elsewhere.example"], "is for another host"),
    ],
)
def test_a_certificate_is_looked_at(
    lasts: timedelta, hosts: list[str], why: str | None, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    context = ssl_context(settings.load(security_protocol="SSL", ssl_cafile=authority.file))
    with server(authority.issue("kafka", hosts, lasts)) as port:
        findings = network.way("kafka", "localhost", port, context)
    wrong = [finding.what for finding in findings if finding.state == "bad"]
    assert [why in what for what in wrong if why] == ([True] if why else [])
    assert sound(findings) is (why is None)


def test_our_own_certificate_is_looked_at_before_it_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    soon = network.own_certificate("kafka", authority.issue("us", lasts=timedelta(days=3)).file)
    assert (soon.state, "expires on" in soon.what) == ("bad", True)
    assert network.own_certificate("kafka", authority.issue("us").file).state == "good"
    assert "can be read" in network.own_certificate("kafka", tmp_path / "nothing.pem").what


# --- Kafka ---------------------------------------------------------------------------------------


def test_each_permission_is_a_line_and_a_lacking_one_has_its_command() -> None:
    own = settings.load()
    lines = permissions.needed(own)
    assert states(kafka.may(own, [], examined())) == ["good"] * len(lines)
    for number, line in enumerate(lines):
        findings = kafka.may(own, [line], examined())
        assert [n for n, state in enumerate(states(findings)) if state == "bad"] == [number]
        assert findings[number].mend == permissions.command(line, own)


def test_brokers_that_show_a_topic_still_say_what_one_may_not_do_there() -> None:
    own = settings.load()
    read_only = examined(clinical_annotations=frozenset({"READ", "DESCRIBE", "DESCRIBE_CONFIGS"}))
    wrong = [str(one) for one in kafka.may(own, [], read_only) if one.state == "bad"]
    assert len(wrong) == 1
    assert "lacks Write on topic clinical-annotations" in wrong[0]
    assert states(kafka.may(own, [], examined(clinical_notes=None)))[0] == "unknown"


def test_a_topic_that_is_only_hidden_is_not_called_missing() -> None:
    own = settings.load()
    (line, *_) = permissions.needed(own)
    missing = Problem("clinical-notes is missing", "streamer topics create")
    assert kafka.topics(own, [], examined(6, missing))[0].what == missing.what
    assert all(one.what != missing.what for one in kafka.topics(own, [line], examined(6, missing)))


def test_settings_of_topics_may_stay_hidden() -> None:
    findings = kafka.topics(settings.load(), [], examined(clinical_notes=frozenset({"READ"})))
    assert sound(findings)
    assert "--operation DescribeConfigs --topic clinical-notes" in findings[0].mend


@pytest.mark.parametrize(("workers", "state"), [(1, "good"), (6, "good"), (8, "bad")])
def test_no_worker_without_a_partition(workers: int, state: str) -> None:
    last = kafka.topics(settings.load(workers=workers), [], examined(6))[-1]
    assert last.state == state
    assert ("--partitions 8" in last.mend) is (state == "bad")


@pytest.mark.parametrize(
    ("newest", "state"),
    [(None, "unknown"), (-1, "unknown"), (100_000, "good"), (104_000, "good"), (106_000, "bad")],
)
def test_a_note_from_the_future_shows_a_wrong_clock(newest: int | None, state: str) -> None:
    assert kafka.clock(newest, now=100.0).state == state


# --- Redis ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "save", "why"),
    [
        ({}, "", None),
        ({"redis_version": "6.2.14", "maxmemory_policy": "volatile-lfu"}, "", None),
        ({"redis_version": "5.0.7"}, "", "too old"),
        ({"maxmemory": 0}, "", "no limit"),
        ({"maxmemory_policy": "noeviction"}, "", "instead of forgetting"),
        ({"aof_enabled": 1}, "", "on disk"),
        ({}, "3600 1 300 100", "on disk"),
    ],
)
def test_redis_has_to_be_a_cache_that_forgets(change: dict[str, object], save: str, why: str | None) -> None:
    wrong = [one.what for one in cache.settings_of(INFO | change, save) if one.state == "bad"]
    assert [why in what for what in wrong if why] == ([True] if why else [])
    assert len(wrong) == (0 if why is None else 1)


def test_no_cache_is_no_fault_and_no_secret_is_one() -> None:
    assert states(cache.look(settings.load())) == ["unknown"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = cache.look(settings.load(redis=f"redis://:swordfish@127.0.0.1:{port}"))
    assert "the cache has no secret" in [one.what for one in said]
    assert "swordfish" not in repr(said)
    (nonsense,) = cache.look(settings.load(redis="redis://localhost:x", cache_secret="s"))
    assert "not an address" in nonsense.what


# --- checkpoint and machine ----------------------------------------------------------------------


def test_a_damaged_checkpoint_and_a_head_that_it_lacks(tmp_path: Path) -> None:
    findings, opened = checkpoint.look(settings.load(device="cpu"))
    assert sound(findings)
    assert opened is not None
    folder = tmp_path / "damaged"
    shutil.copytree(SHIPPED_CHECKPOINT, folder)
    with (folder / "weights.safetensors").open("r+b") as weights:
        weights.seek(1_000_000)
        weights.write(b"\xff" * 8)
    (wrong,), opened = checkpoint.look(settings.load(checkpoint=str(folder)))
    assert (wrong.state, "SHA-256" in str(wrong), opened) == ("bad", True, None)
    (wrong,), _ = checkpoint.look(settings.load(heads="entities,tea-leaves"))
    assert "tea-leaves" in str(wrong)


def test_files_space_and_memory(tmp_path: Path) -> None:
    assert machine.files(1024).state == machine.files(resource.RLIM_INFINITY).state == "good"
    assert "ulimit -n 4096" in machine.files(256).mend
    assert machine.space(tmp_path / "not" / "yet", 1, "").state == "good"
    full = machine.space(tmp_path, 1 << 60, "free space there")
    assert (full.state, full.mend) == ("bad", "free space there")
    plenty, weights = 64 << 30, 25 << 20
    assert machine.memory(4, weights, plenty).state == "good"
    for fit in (1, 2, 3):
        free = machine.NODE_BYTES + machine.ENGINE_BYTES + 6 * weights + fit * machine.WORKER_BYTES
        few = machine.memory(4, weights, free)
        assert (few.state, few.mend) == ("bad", f"STREAMER_WORKERS={fit}, or give this machine more memory")
    assert machine.memory(4, weights, 0).mend == "give this machine more memory"
