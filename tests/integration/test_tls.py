"""Kafka and Redis over TLS, the real servers: whoever should comes in, whoever should not is told why.

The node that reads a thousand notes also shows what a running node gives away: nothing.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streamer import brokers, topic_admin
from streamer import settings as configuration
from streamer.cache import Cache
from streamer.chaos.places import Topics, produce, topics
from streamer.chaos.processes import Node
from streamer.chaos.reader import Reader, by_document
from streamer.embedded.certificates import Authority
from streamer.errors import SettingError, WorldError
from streamer.permissions import needed
from tests.cache_kit import SECRET, Recorder, passages
from tests.cache_kit import Reader as CacheReader
from tests.integration.ledger import assert_each_once_in_order, short_notes
from tests.integration.secured import PASSWORD, REDIS_PASSWORD, Secured, redis_with_tls
from tests.test_permissions import shipped_lines

NOTES = 1000
CACHE_SECRET = "cache-secret-of-this-test-77aa"
SECRETS = (PASSWORD, REDIS_PASSWORD, CACHE_SECRET)


@pytest.fixture(scope="module")
def redis_url(secured: Secured) -> Iterator[str]:
    with redis_with_tls(secured.authority.issue("redis"), secured.authority.file) as url:
        yield url


class Defaults(Topics):
    """Topics and group as the settings name them when nothing is said."""

    input, output, dead_letters = "clinical-notes", "clinical-annotations", "clinical-notes-dlt"


def own_topics(secured: Secured, listener: str) -> Topics:
    """For SCRAM under the default names, with exactly the access list that ships; else under new ones."""
    if listener == "SCRAM":
        topic_admin.create_topics(configuration.load(bootstrap=secured.kafka.bootstrap), partitions=4)
        secured.grant(shipped_lines())
        return Defaults(secured.kafka.bootstrap, "streamer", 4)
    made = topics(secured.kafka.bootstrap)
    names = {"input_topic": made.input, "output_topic": made.output, "dead_letter_topic": made.dead_letters}
    secured.grant(needed(configuration.load(group=made.name, **names)))
    return made


@pytest.mark.timeout(900)
@pytest.mark.parametrize("listener", ["SCRAM", "MUTUAL"])
def test_a_run_over_tls_loses_nothing_and_gives_nothing_away(
    secured: Secured, redis_url: str, listener: str, tmp_path: Path
) -> None:
    at = own_topics(secured, listener)
    more = secured.options(listener) | {"redis": redis_url, "cache_secret": CACHE_SECRET}
    # The first time a Redis is asked over TLS on busy cores takes longer than it may in production.
    with Node(at, tmp_path, cache_timeout_ms="2000", **more) as node:
        node.wait_until_ready(400)
        with Reader(at, by_document) as reader:
            produce(at, short_notes(NOTES))
            seen = reader.wait_for_the_rest(NOTES)
        pages = "".join(node.get(path)[1] for path in ("/metrics", "/readyz"))
        (hits,) = re.findall(r'^streamer_cache_passages_total\{outcome="hit"\} (\S+)$', pages, re.MULTILINE)
        assert float(hits) > 0
        processes = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        assert len(processes) == 3
        assert_no_secret_in_what_processes_list(processes)
        assert_no_core_dump_can_come(processes)
        assert_only_this_machine_is_listened_to(processes)
        assert_no_signal_makes_it_talk(processes, node)
        assert node.stop() == 0
    assert_each_once_in_order(seen, NOTES)
    said = node.log.read_text() + pages
    assert not [secret for secret in SECRETS if secret in said]


def assert_no_secret_in_what_processes_list(processes: list[psutil.Process]) -> None:
    for process in processes:
        listed = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert listed
        assert not [secret for secret in SECRETS if secret in listed]


def assert_no_core_dump_can_come(processes: list[psutil.Process]) -> None:
    for process in processes:
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        (line,) = [line for line in limits if line.startswith("Max core file size")]
        assert set(line.split()[4:6]) <= {"0", "1"}, line


def assert_only_this_machine_is_listened_to(processes: list[psutil.Process]) -> None:
    listening = [
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]  # the metrics page


def assert_no_signal_makes_it_talk(processes: list[psutil.Process], node: Node) -> None:
    """Faust would print every stack with its local variables at SIGUSR1, and start a debugger at SIGUSR2."""
    before = node.log.read_text()
    worker = next(process for process in processes if process.cmdline()[-1] == "worker")
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        worker.send_signal(number)
    ignored = int(_status(worker, "SigIgn"), 16)
    assert ignored >> (signal.SIGUSR1 - 1) & 1
    assert ignored >> (signal.SIGUSR2 - 1) & 1
    assert node.get("/readyz")[0] == 200
    assert worker.is_running()
    assert node.log.read_text() == before


def _status(process: psutil.Process, name: str) -> str:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


@pytest.mark.parametrize("listener", ["SCRAM", "MUTUAL"])
def test_a_loop_that_ends_at_once_leaves_no_socket_open(secured: Secured, listener: str) -> None:
    """TLS takes leave in several turns of the loop, and aiokafka does not wait for its first connection."""
    settings = secured.settings(listener)
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(10):
            asyncio.run(brokers.let_in(settings))
            gc.collect()
    assert [str(warning.message) for warning in unclosed] == []


# --- who is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listener", "why"),
    [
        ("EXPIRED", r"^the certificate of \S+ has expired: renew it there$"),
        ("ELSEWHERE", r"^the certificate of \S+ is for another host: write the host in STREAMER_BOOTSTRAP"),
    ],
)
async def test_a_broker_with_a_wrong_certificate_is_refused(
    secured: Secured, listener: str, why: str
) -> None:
    with pytest.raises(SettingError, match=why):
        await brokers.check(secured.settings(listener))


async def test_a_broker_of_another_authority_is_refused(secured: Secured, tmp_path: Path) -> None:
    for other in (Authority(tmp_path).file, None):
        with pytest.raises(SettingError, match="signed by nobody that is trusted here"):
            await brokers.check(secured.settings(ssl_cafile=other))


async def test_a_client_without_a_certificate_or_with_a_stranger_s_is_refused(
    secured: Secured, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path).issue("annotator")
    for own in (None, stranger):
        files = {"ssl_certfile": own and own.file, "ssl_keyfile": own and own.key}
        with pytest.raises(SettingError, match="does not accept our certificate, or wants one: set STREAMER"):
            await brokers.check(secured.settings("MUTUAL", **files))


@pytest.mark.parametrize(
    "wrong", [{"security_protocol": "SSL"}, {"security_protocol": "SASL_PLAINTEXT"}], ids=str
)
async def test_a_wrong_protocol_is_said(secured: Secured, wrong: dict[str, str]) -> None:
    with pytest.raises(WorldError, match=r"check .*STREAMER_SECURITY_PROTOCOL"):
        await brokers.check(secured.settings(**wrong))


@pytest.mark.parametrize("wrong", [{"sasl_password": "not-this-one-31d7"}, {"sasl_username": "stranger"}])
async def test_a_user_that_the_brokers_do_not_know_is_refused(
    secured: Secured, wrong: dict[str, str]
) -> None:
    with pytest.raises(SettingError, match=r"^the brokers refused the user: check STREAMER_SASL_USERNAME"):
        await brokers.check(secured.settings(**wrong))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", [["run"], ["worker"], ["topics", "check"]], ids=" ".join)
def test_a_wrong_password_is_exit_2_and_is_said_nowhere(
    secured: Secured, tmp_path: Path, command: list[str]
) -> None:
    wrong = "not-this-one-31d7"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAMER_")}
    own = secured.options() | {"sasl_password": wrong, "engine_address": f"ipc://{tmp_path}/e.sock"}
    done = subprocess.run(
        [sys.executable, "-m", "streamer", *command],
        env=clean | {f"STREAMER_{name.upper()}": value for name, value in own.items()},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    said = (done.stdout + done.stderr).strip().splitlines()
    assert said[-1].startswith("streamer: the brokers refused the user: check STREAMER_SASL_USERNAME")
    assert "Traceback" not in done.stdout + done.stderr
    assert wrong not in done.stdout + done.stderr


def test_a_client_that_speaks_no_newer_tls_than_1_1_is_refused(secured: Secured) -> None:
    context = ssl.create_default_context(cafile=str(secured.authority.file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    host, port = secured.kafka.address("SCRAM").split(":")
    with socket.create_connection((host, int(port))) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=host)


# --- Redis ---------------------------------------------------------------------------------------


async def read_twice(url: str, seen: Recorder) -> None:
    cache = Cache(url, [SECRET], uuid.uuid4().hex, timeout=2.0, observer=seen)
    reader = CacheReader(cache)
    await reader.note(passages(1))
    await reader.note(passages(1))
    await cache.close()


async def test_a_redis_over_tls_remembers(redis_url: str) -> None:
    seen = Recorder()
    await read_twice(redis_url, seen)
    assert seen.hits > 0
    assert not seen.faults


async def test_a_redis_of_another_authority_or_host_is_passed_by(
    secured: Secured, redis_url: str, tmp_path: Path
) -> None:
    address, _ = redis_url.split("?")
    wrong = [address, f"{address}?ssl_ca_certs={Authority(tmp_path).file}"]
    elsewhere = secured.authority.issue("redis", hosts=["redis.elsewhere.example"])
    with redis_with_tls(elsewhere, secured.authority.file) as other:
        for url in (*wrong, other):
            seen = Recorder()
            await read_twice(url, seen)
            assert seen.hits == 0
            assert seen.faults["connection"] >= 1
