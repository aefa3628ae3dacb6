"""The cache against a server that says whatever a test wants."""

from __future__ import annotations

import asyncio
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamer.cache import Cache
from streamer.errors import SettingError
from streamer.sealing import Sealer
from tests.cache_kit import SECRET, Reader, Recorder, passages, read

Answer = Callable[[list[bytes]], bytes]
TIMEOUT = 0.5  # long: only tests of slowness may reach it, on a busy machine too


class FakeRedis(socketserver.ThreadingTCPServer):
    """MGET and SET over a dictionary; `answer` may say something else."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.values: dict[bytes, bytes] = {}
        self.commands: list[list[bytes]] = []
        self.answer: Answer = self.obey

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.server_address[1]}/0"

    def obey(self, command: list[bytes]) -> bytes:
        if command[0] == b"SET":
            self.values[command[1]] = command[2]
            return b"+OK\r\n"
        assert command[0] == b"MGET"
        return bulk_array([self.values.get(key) for key in command[1:]])


class _Connection(socketserver.StreamRequestHandler):
    server: FakeRedis

    def handle(self) -> None:
        while head := self.rfile.readline():
            command = []
            for _ in range(int(head[1:])):
                length = int(self.rfile.readline()[1:])
                command.append(self.rfile.read(length + 2)[:-2])
            self.server.commands.append(command)
            answer = self.server.answer(command)
            if not answer:
                return
            try:
                self.wfile.write(answer)
            except OSError:
                return


def bulk_array(values: list[bytes | None]) -> bytes:
    parts = [b"$-1\r\n" if v is None else b"$%d\r\n%b\r\n" % (len(v), v) for v in values]
    return b"*%d\r\n" % len(values) + b"".join(parts)


@pytest.fixture
def server() -> Iterator[FakeRedis]:
    with FakeRedis() as fake:
        thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        fake.shutdown()
        thread.join()


def cache_at(url: str | None, seen: Recorder | None = None, **options: Any) -> Cache:
    chosen: dict[str, Any] = {"secrets": [SECRET], "fingerprint": "f", "timeout": TIMEOUT}
    return Cache(url, **(chosen | options), observer=seen)


async def test_what_was_put_is_found_with_one_mget_and_one_set_each(server: FakeRedis) -> None:
    seen = Recorder()
    cache = cache_at(server.url, seen, ttl=77)
    texts = passages(1)
    assert await cache.get_many(texts) == [None] * 4
    await cache.put_many(texts[:3], [read(text) for text in texts[:3]])
    assert await cache.get_many(texts) == [read(text) for text in texts[:3]] + [None]
    await cache.close()
    assert [command[0] for command in server.commands] == [b"MGET"] + [b"SET"] * 3 + [b"MGET"]
    assert all(command[3:] == [b"EX", b"77"] for command in server.commands if command[0] == b"SET")
    assert (seen.hits, seen.misses, dict(seen.faults)) == (3, 5, {})


async def test_notes_that_wait_together_go_out_together(server: FakeRedis) -> None:
    seen = Recorder()
    cache = cache_at(server.url, seen, timeout=10)
    reader = Reader(cache)
    for _ in range(2):
        await asyncio.gather(*(reader.note(passages(number)) for number in range(200)))
    await cache.close()
    assert (seen.hits, seen.misses) == (800, 800)


async def test_a_value_of_another_passage_under_this_key_is_a_counted_miss(server: FakeRedis) -> None:
    seen = Recorder()
    cache = cache_at(server.url, seen)
    await cache.put_many(["ours", "theirs"], [read("ours"), read("theirs")])
    assert await cache.get_many(["ours", "theirs"]) == [read("ours"), read("theirs")]
    ours, theirs = (Sealer(SECRET, "f").key(text) for text in ("ours", "theirs"))
    server.values[ours] = server.values[theirs]
    assert await cache.get_many(["ours", "theirs"]) == [None, read("theirs")]
    await cache.close()
    assert (seen.hits, seen.misses, dict(seen.faults)) == (3, 1, {"value": 1})


async def test_other_fingerprints_and_secrets_see_nothing_and_an_old_secret_is_still_read(
    server: FakeRedis,
) -> None:
    old, new = SECRET, SECRET[::-1]
    caches = {
        "old": cache_at(server.url, secrets=[old]),
        "rotating": cache_at(server.url, secrets=[new, old]),
        "new": cache_at(server.url, secrets=[new]),
        "other": cache_at(server.url, secrets=[old], fingerprint="g"),
    }
    await caches["old"].put_many(["a"], [read("a")])
    assert await caches["old"].get_many(["a"]) == [read("a")]
    assert await caches["rotating"].get_many(["b", "a"]) == [None, read("a")]
    assert await caches["new"].get_many(["a"]) == [None]
    assert await caches["other"].get_many(["a"]) == [None]
    await caches["rotating"].put_many(["b"], [read("b")])
    await caches["rotating"].get_many([""])
    assert await caches["new"].get_many(["b"]) == [read("b")]
    assert await caches["old"].get_many(["b"]) == [None]
    for cache in caches.values():
        await cache.close()


FAULTS: dict[str, tuple[Answer, str]] = {
    "loading": (lambda command: b"-LOADING Redis is loading the dataset in memory\r\n", "server"),
    "no credentials": (lambda command: b"-NOAUTH Authentication required.\r\n", "server"),
    "not allowed": (lambda command: b"-NOPERM this user has no permissions\r\n", "server"),
    "another type": (lambda command: b":7\r\n", "server"),
    "too few values": (lambda command: bulk_array([]), "server"),
    "not the protocol": (lambda command: b"HTTP/1.1 400 Bad Request\r\n\r\n", "server"),
    "hangs up": (lambda command: b"", "connection"),
    "hangs up in mid-answer": (lambda command: b"*4\r\n$100\r\nabc", "timeout"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_server_that_fails_is_passed_by_at_once_and_asked_again_when_it_serves(
    server: FakeRedis, name: str
) -> None:
    fault, kind = FAULTS[name]
    seen = Recorder()
    cache = cache_at(server.url, seen)
    reader = Reader(cache)
    await reader.note(passages(1))
    await reader.note(passages(1))
    assert seen.hits == 4
    server.answer = fault
    started = time.monotonic()
    await reader.note(passages(1))
    await seen.until(lambda: seen.is_open)
    assert seen.opened - started < 1.0
    asked = len(server.commands)
    await reader.note(passages(1))
    assert seen.hits == 4
    assert kind in seen.faults
    server.answer = server.obey
    await seen.until(lambda: not seen.is_open)
    assert len(server.commands) > asked
    await reader.note(passages(1))
    assert seen.hits == 8
    await cache.close()


async def test_values_that_are_no_strings_are_counted_misses(server: FakeRedis) -> None:
    seen = Recorder()
    cache = cache_at(server.url, seen)
    server.answer = lambda command: b"*2\r\n:5\r\n*0\r\n"
    assert await cache.get_many(["a", "b"]) == [None, None]
    assert (seen.misses, seen.faults["value"], seen.is_open) == (2, 2, False)
    await cache.close()


async def test_a_full_server_refuses_values_and_still_gives_those_it_has(server: FakeRedis) -> None:
    seen = Recorder()
    cache = cache_at(server.url, seen)
    reader = Reader(cache)
    await reader.note(passages(1))
    await cache.get_many([""])
    full = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    server.answer = lambda command: full if command[0] == b"SET" else server.obey(command)
    await reader.note(passages(2))
    await reader.note(passages(1))
    await cache.close()
    assert seen.hits == 4
    assert seen.faults["server"] == 1
    assert not seen.is_open


async def test_a_slow_server_costs_a_note_no_more_than_the_timeout(server: FakeRedis) -> None:
    release = threading.Event()

    def slowly(command: list[bytes]) -> bytes:
        release.wait(10)
        return server.obey(command)

    server.answer = slowly
    seen = Recorder()
    cache = cache_at(server.url, seen, timeout=0.05)
    started = time.monotonic()
    reader = Reader(cache)
    for number in range(20):
        await reader.note(passages(number))
    await seen.until(lambda: seen.is_open)
    assert seen.opened - started < 1.0
    assert seen.faults["timeout"] >= 1
    assert reader.slowest < 0.5  # 0.05 and a busy machine; never the server's ten seconds
    release.set()
    server.answer = server.obey
    await seen.until(lambda: not seen.is_open)
    await cache.close()


async def test_an_answer_that_came_while_the_loop_was_busy_counts(server: FakeRedis) -> None:
    cache = cache_at(server.url, timeout=0.1)
    await cache.put_many(["a"], [read("a")])
    answered = threading.Event()

    def answer(command: list[bytes]) -> bytes:
        threading.Timer(0.05, answered.set).start()
        return server.obey(command)

    server.answer = answer
    asking = asyncio.create_task(cache.get_many(["a"]))
    await asyncio.sleep(0)
    started = time.monotonic()
    answered.wait(10)
    while time.monotonic() - started < 0.3:  # the loop is stalled for longer than the time-out
        pass
    assert await asking == [read("a")]
    await cache.close()


async def test_without_an_address_nothing_is_remembered_and_nothing_counted() -> None:
    seen = Recorder()
    cache = cache_at(None, seen, secrets=[])
    await cache.put_many(["a"], [read("a")])
    assert await cache.get_many(["a", "b"]) == [None, None]
    assert await cache.get_many([]) == []
    await cache.close()
    assert (seen.hits, seen.misses) == (0, 0)


async def test_a_closed_cache_is_a_miss(server: FakeRedis) -> None:
    cache = cache_at(server.url)
    await cache.put_many(["a"], [read("a")])
    await cache.close()
    assert len(server.values) == 1
    assert await cache.get_many(["a"]) == [None]
    await cache.close()


def test_a_wrong_address_or_secret_is_refused_in_one_line_that_shows_neither() -> None:
    for url, secrets in (
        ("http://:hunter2hunter2@example", [SECRET]),
        ("redis://:hunter2hunter2@localhost:notaport", [SECRET]),
        ("redis://localhost", []),
        ("redis://localhost", ["hunter2"]),
    ):
        with pytest.raises(SettingError) as raised:
            Cache(url, secrets, "f")
        assert "hunter2" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_nothing_of_a_passage_is_in_a_jobs_repr() -> None:
    from streamer import cache

    assert "Quackenbush" not in repr(cache._Put(passages(1), [read("a")]))
