"""The cache on a real Redis that is absent, killed, slow, full, emptied or lied in: findings stay equal."""

from __future__ import annotations

import asyncio
import base64
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import quote

import pytest
import redis

from streamer.cache import Cache
from streamer.embedded import RedisServer
from tests.cache_kit import CANARIES, SECRET, Reader, Recorder, passages

TIMEOUT = 0.05
SLACK = 0.25  # a busy machine's, over the time-out


@contextmanager
def plain(server: RedisServer) -> Iterator[Any]:
    with redis.Redis.from_url(server.url) as client:
        yield client


@asynccontextmanager
async def cached(url: str, seen: Recorder, timeout: float = TIMEOUT, ttl: int = 600) -> AsyncIterator[Reader]:
    """A reader with a fingerprint of its own: it shares nothing with other tests on the same server."""
    cache = Cache(url, [SECRET], uuid.uuid4().hex, ttl, timeout, seen)
    reader = Reader(cache)
    yield reader
    assert reader.slowest < timeout + SLACK
    await cache.close()


async def stream(reader: Reader, notes: int) -> None:
    """Notes one after another, each twice: `Reader` holds every finding to what the encoder gives."""
    for number in range(notes):
        await reader.note(passages(number))
        await reader.note(passages(number))


async def test_absent_from_the_start_then_there() -> None:
    seen = Recorder()
    server = RedisServer()
    async with cached(server.url, seen) as reader:
        started = time.monotonic()
        await stream(reader, 20)
        await seen.until(lambda: seen.is_open)
        assert seen.opened - started < 1.0
        assert seen.hits == 0
        assert seen.faults["connection"] >= 1
        with server:
            await seen.until(lambda: not seen.is_open)
            await stream(reader, 5)
            assert seen.hits == 20


async def test_killed_in_mid_run_and_started_again() -> None:
    seen = Recorder()
    with RedisServer() as server:
        async with cached(server.url, seen, timeout=0.5) as reader:
            await stream(reader, 5)
            assert seen.hits == 20
            killed = time.monotonic()
            server.kill()
            await stream(reader, 20)
            await seen.until(lambda: seen.is_open)
            assert seen.opened - killed < 1.0
            assert seen.hits == 20
            server.start()
            await seen.until(lambda: not seen.is_open)
            await stream(reader, 5)
            assert seen.hits == 40


async def test_hung_and_awake_again() -> None:
    seen = Recorder()
    with RedisServer() as server:
        async with cached(server.url, seen) as reader:
            await stream(reader, 1)
            hung = time.monotonic()
            server.suspend()
            await stream(reader, 20)
            await seen.until(lambda: seen.is_open)
            assert seen.opened - hung < 1.0
            assert seen.faults["timeout"] >= 1
            server.resume()
            await seen.until(lambda: not seen.is_open)
            await stream(reader, 5)


async def test_two_seconds_slow(redis_server: RedisServer) -> None:
    seen = Recorder()
    async with delayed(redis_server.port) as (url, delay), cached(url, seen) as reader:
        await stream(reader, 2)
        delay[0] = 2.0
        slow = time.monotonic()
        await stream(reader, 20)
        await seen.until(lambda: seen.is_open)
        assert seen.opened - slow < 1.0
        assert seen.faults["timeout"] >= 1
        delay[0] = 0.0
        await seen.until(lambda: not seen.is_open)
        hits = seen.hits
        await stream(reader, 5)
        assert seen.hits >= hits + 4


@asynccontextmanager
async def delayed(port: int) -> AsyncIterator[tuple[str, list[float]]]:
    """A proxy before the server whose answers take as long as the list says."""
    delay, tasks = [0.0], set[asyncio.Task[None]]()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: bool) -> None:
        try:
            while data := await reader.read(65536):
                await asyncio.sleep(delay[0] if late else 0)
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        for task in (pipe(reader, server_writer, False), pipe(server_reader, writer, True)):
            tasks.add(asyncio.create_task(task))

    proxy = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/0", delay
    proxy.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_full_and_not_evicting() -> None:
    seen = Recorder()
    with RedisServer(eviction="noeviction") as server, plain(server) as client:
        async with cached(server.url, seen, timeout=0.5) as reader:
            await stream(reader, 5)
            client.config_set("maxmemory", "1000")
            with pytest.raises(redis.ResponseError, match="maxmemory"):
                client.set("anything", "more")
            await stream(reader, 10)  # the first five are read from it, the others find no room
            await seen.until(lambda: seen.faults["server"] == 10)
            assert seen.hits == 20 + 40
            assert not seen.is_open
            client.config_set("maxmemory", "100000000")
            await stream(reader, 10)
            assert seen.hits == 60 + 40 + 20


async def test_garbage_truncated_and_exchanged_values(redis_server: RedisServer) -> None:
    seen = Recorder()
    with plain(redis_server) as client:
        before = set(client.keys("streamer:*"))
        async with cached(redis_server.url, seen, timeout=0.5) as reader:
            await stream(reader, 3)
            keys = sorted(set(client.keys("streamer:*")) - before)
            assert len(keys) == 12
            values = [client.get(key) for key in keys]
            for key, value, other in zip(keys, values, values[1:] + values[:1], strict=True):
                lie = (b"", b"garbage", value[:-1], value[:12], other, value + b"x")[keys.index(key) % 6]
                client.set(key, lie, ex=60)
            hits = seen.hits
            for number in range(3):
                await reader.note(passages(number))
            assert seen.hits == hits
            assert seen.faults["value"] == 12
            for number in range(3):
                await reader.note(passages(number))  # what was read again was written again
            assert seen.hits == hits + 12
            for key in keys:
                client.delete(key)
                client.rpush(key, "of another type")
            for number in range(3):
                await reader.note(passages(number))
            assert seen.hits == hits + 12


async def test_flushed(redis_server: RedisServer) -> None:
    seen = Recorder()
    with RedisServer() as server, plain(server) as client:
        async with cached(server.url, seen, timeout=0.5) as reader:
            await stream(reader, 3)
            client.flushall()
            await stream(reader, 3)
            assert (seen.hits, seen.misses) == (24, 24)
            assert not seen.faults


@pytest.mark.parametrize(("user", "hits"), [(":right@", 4), (":wrong@", 0), ("", 0)])
async def test_a_wrong_password_is_only_a_miss(user: str, hits: int) -> None:
    seen = Recorder()
    with RedisServer() as server:
        with plain(server) as client:
            client.config_set("requirepass", "right")
        async with cached(server.url.replace("redis://", f"redis://{user}"), seen, 0.5) as reader:
            await stream(reader, 1)
            assert seen.hits == hits
            if not hits:
                await seen.until(lambda: seen.is_open)
                assert seen.faults["server"] >= 1


async def test_redis_sees_nothing_of_a_note_and_every_key_ends() -> None:
    with RedisServer() as server, plain(server) as client:
        with socket.create_connection(("127.0.0.1", server.port)) as monitor, monitor.makefile("rb") as heard:
            monitor.sendall(b"MONITOR\r\n")
            assert heard.readline() == b"+OK\r\n"
            async with cached(server.url, Recorder(), ttl=1234) as reader:
                await stream(reader, 10)
            client.echo("the end")
            lines = b""
            while b"the end" not in lines:
                lines += heard.readline()
        keys = client.keys("*")
        assert len(keys) == 40
        assert all(1200 < client.ttl(key) <= 1234 for key in keys)
        dump = b"".join(key + client.get(key) + client.dump(key) for key in keys)
    assert lines.count(b'"SET"') + lines.count(b'"set"') == 40
    for canary in CANARIES:
        for form in (
            canary,
            base64.b64encode(canary.encode()).decode(),
            canary.encode().hex(),
            quote(canary),
        ):
            for where in (lines, dump):
                assert form.encode().lower() not in where.lower()
