"""Findings of passages in Redis, one MGET and one pipelined SET per note; a dead Redis is a miss, not a stop.

    get_many ─┐                      ┌─ answers: a hit is opened, all else is a counted miss
              ├─ queue ─ thread ─ Redis
    put_many ─┘                      └─ an error or a time-out opens the breaker: all is a miss at once, and
                                        the thread probes, ever more seldom, until Redis serves again

All traffic is on one connection in a thread of its own: what waits when the connection is free goes out
together, and a time-out measures Redis, not how busy the caller's event loop is.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import redis

from models.types import Findings
from streamer.breaker import Breaker
from streamer.errors import SettingError
from streamer.redis_client import connector
from streamer.sealing import Sealer

_Found = list[Findings | None]
Fault = Literal["timeout", "connection", "server", "value"]

JOBS_PER_TRIP = 64
MAX_WAITING = 8192  # jobs in the queue: beyond, Redis is the bottleneck and is passed by
PROBE_SECONDS = 1.0  # nobody waits for a probe, so it may take time over a slow TLS handshake


class Observer(Protocol):
    """Where hits, misses and faults are counted: `streamer.metrics.CacheObserver`. Called from any thread."""

    def found(self, hits: int, misses: int) -> None: ...
    def failed(self, kind: Fault) -> None: ...
    def breaker(self, is_open: bool) -> None: ...


class _Unobserved:
    def found(self, hits: int, misses: int) -> None: ...
    def failed(self, kind: Fault) -> None: ...
    def breaker(self, is_open: bool) -> None: ...


@dataclass(slots=True)
class _Get:
    texts: Sequence[str] = field(repr=False)
    future: asyncio.Future[_Found] = field(repr=False)

    @property
    def wanted(self) -> bool:
        return not self.future.done()

    def answer(self, found: _Found) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.future.get_loop().call_soon_threadsafe(self._settle, found)

    def _settle(self, found: _Found) -> None:
        if self.wanted:
            self.future.set_result(found)


@dataclass(slots=True)
class _Put:
    texts: Sequence[str] = field(repr=False)
    findings: Sequence[Findings] = field(repr=False)


_Job = _Get | _Put


class Cache:
    """`url` None: nothing is remembered. `secrets`: the first writes, all read. Times in seconds.

    No method raises because of Redis, and none waits longer than `timeout`. Call `close` at the end.
    Raises SettingError for an address or a secret that cannot be used.
    """

    def __init__(
        self,
        url: str | None,
        secrets: Sequence[str],
        fingerprint: str,
        ttl: int = 30 * 86_400,
        timeout: float = 0.05,
        observer: Observer | None = None,
    ) -> None:
        self._sealers = [Sealer(secret, fingerprint) for secret in secrets] if url else []
        if url and not self._sealers:
            raise SettingError("a cache needs a secret: set STREAMER_CACHE_SECRET, the same on every node")
        self._ttl, self._timeout = ttl, timeout
        self._observer: Observer = observer or _Unobserved()
        self._breaker = Breaker(self._observer.breaker)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connect = connector(url or "redis://", timeout)  # connects when it is first used
        self._remembers = url is not None
        self._client: redis.Redis | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    async def get_many(self, texts: Sequence[str]) -> list[Findings | None]:
        """Findings in the order of `texts`, None where none are known. Within `timeout`, whatever happens."""
        nothing: _Found = [None] * len(texts)
        if not self._remembers or not texts:
            return nothing
        found = await self._ask(texts) or nothing
        hits = sum(findings is not None for findings in found)
        self._observer.found(hits, len(texts) - hits)
        return found

    async def put_many(self, texts: Sequence[str], findings: Sequence[Findings]) -> None:
        """Remembers, without waiting; a `get_many` that follows on this object sees it."""
        if self._remembers and texts:
            self._submit(_Put(texts, findings))

    async def close(self) -> None:
        """What was put is written first, if Redis takes it within `timeout` or so."""
        with self._starting:
            thread, self._remembers = self._thread, False
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join, PROBE_SECONDS + 2 * self._timeout)

    async def _ask(self, texts: Sequence[str]) -> _Found | None:
        future: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        if not self._submit(_Get(texts, future)):
            return None
        # Not `asyncio.timeout`: after a stall of this loop it would throw away an answer that is there.
        await asyncio.wait((future,), timeout=self._timeout)
        if future.done():
            return future.result()
        future.cancel()
        self._observer.failed("timeout")
        return None

    def _submit(self, job: _Job) -> bool:
        """False when the job was passed by: the breaker is open, or too much waits already."""
        if self._breaker.is_open:
            return False
        if self._jobs.qsize() >= MAX_WAITING:
            self._observer.failed("timeout")
            return False
        self._jobs.put(job)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cache", daemon=True)
                self._thread.start()
        return True

    # --- in the thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (jobs := self._waiting()) is not None:
                if jobs:
                    self._serve(jobs)
                elif self._breaker.is_open:
                    self._probe()
        finally:
            self._hang_up()

    def _waiting(self) -> list[_Job] | None:
        """What waits, at least one job; none when it is time to probe; None at the end."""
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=self._breaker.seconds_to_probe())
            while job is not None:
                jobs.append(job)
                if len(jobs) == JOBS_PER_TRIP:
                    return jobs
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs
        if jobs:
            self._jobs.put(None)  # the end was in the queue: serve what came before it, then meet it again
            return jobs
        return None

    def _serve(self, waiting: list[_Job]) -> None:
        jobs = [job for job in waiting if isinstance(job, _Put) or job.wanted]
        answers: list[_Found] = []
        if not self._breaker.is_open:
            try:
                answers = self._trip(jobs)
                self._breaker.served()
            except Exception as error:  # whatever a broken or lying server makes the client raise is a miss
                self._failed(_kind(error))
        gets = [job for job in jobs if isinstance(job, _Get)]
        for number, job in enumerate(gets):
            job.answer(answers[number] if answers else [None] * len(job.texts))

    def _trip(self, jobs: list[_Job]) -> list[_Found]:
        """All jobs in one round trip; the answers to its gets."""
        if self._client is None:
            self._client = self._connect(self._timeout)
        pipeline = self._client.pipeline(transaction=False)
        keys = [self._command(pipeline, job) for job in jobs]
        results = iter(pipeline.execute(raise_on_error=False))
        answers = []
        for job, asked in zip(jobs, keys, strict=True):
            if isinstance(job, _Get):
                answers.append(self._opened(asked, len(job.texts), next(results)))
            else:
                refused = [r for r in (next(results) for _ in job.texts) if isinstance(r, Exception)]
                if refused:
                    self._observer.failed("server")  # full, or read-only: what it holds can still be read
        return answers

    def _command(self, pipeline: Any, job: _Job) -> list[bytes]:
        if isinstance(job, _Get):
            keys = [sealer.key(text) for sealer in self._sealers for text in job.texts]
            pipeline.mget(keys)
            return keys
        sealer = self._sealers[0]
        for text, findings in zip(job.texts, job.findings, strict=True):
            key = sealer.key(text)
            pipeline.set(key, sealer.seal(key, findings), ex=self._ttl)
        return []

    def _opened(self, keys: list[bytes], count: int, values: Any) -> _Found:
        if isinstance(values, Exception):
            raise values
        if not isinstance(values, list) or len(values) != len(keys):
            raise redis.InvalidResponse("not an answer to MGET")
        found: _Found = [None] * count
        for number, (key, value) in enumerate(zip(keys, values, strict=True)):
            place = number % count
            if value is None or found[place] is not None:
                continue
            sealer = self._sealers[number // count]
            found[place] = sealer.open(key, value) if isinstance(value, bytes) else None
            if found[place] is None:
                self._observer.failed("value")
        return found

    def _probe(self) -> None:
        try:
            self._client = self._connect(PROBE_SECONDS)
            started = time.monotonic()
            self._client.mget([self._sealers[0].key("")])
            if time.monotonic() - started > self._timeout:
                raise redis.TimeoutError
        except Exception as error:
            self._failed(_kind(error))
        else:
            self._breaker.close()

    def _failed(self, kind: Fault) -> None:
        self._observer.failed(kind)
        self._breaker.open()
        self._hang_up()

    def _hang_up(self) -> None:
        """A connection with an answer still to come must never be asked again."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # it is thrown away
                client.close()


def _kind(error: Exception) -> Fault:
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return "timeout"
    if isinstance(error, redis.AuthenticationError | redis.exceptions.BusyLoadingError):
        return "server"  # redis-py counts them among connection errors
    if isinstance(error, redis.ConnectionError | OSError):
        return "connection"
    return "server"
