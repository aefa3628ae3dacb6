"""The composition root of one worker: checkpoint, engine, cache and pipeline are put together here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from models.checkpoint import Checkpoint
from models.client import EngineClient
from models.explaining.asking import Asking
from models.finish import Finish
from streamer import checkpoints, logs, metrics, topics
from streamer.cache import Cache
from streamer.children import ready_file
from streamer.endpoints import Health
from streamer.errors import SettingError
from streamer.pipeline import Destinations, NotePipeline
from streamer.settings import Settings
from streamer.topics import Incoming, Outgoing
from streamer.worker import Worker


def main(settings: Settings) -> int:
    """One worker of the service, until SIGTERM; gives the exit code."""
    logs.configure()
    return asyncio.run(_main(settings))


async def _main(settings: Settings) -> int:
    async with _reading(settings, checkpoints.opened(settings)) as reading:
        worker = Worker(settings, reading.annotate, reading, ready_file(settings.state_dir, os.getpid()))
        with _page(settings, worker.health):
            return await worker.run()


class Reading:
    """The engine and what is put around it once it is known in which precision it reads.

    That is part of what names a finding in the cache, and of every record.
    """

    def __init__(
        self, settings: Settings, checkpoint: Checkpoint, finish: Finish, engine: EngineClient
    ) -> None:
        self._settings, self._checkpoint, self._engine = settings, checkpoint, engine
        self._finish = finish
        self._cache: Cache | None = None
        self._pipeline: NotePipeline | None = None

    @property
    def alive(self) -> bool:
        return self._engine.alive

    @property
    def failed(self) -> Exception | None:
        return self._engine.failed

    async def connect(self) -> None:
        """Returns when the engine has welcomed us. Raises `EngineError` if it does not fit."""
        await self._engine.connect()
        checkpoint = self._checkpoint.in_precision(self._engine.precision)
        identity = self._finish.identity(checkpoint.pipeline)
        categories = dict.fromkeys(name for _, names in checkpoint.layers for name in names)
        metrics.describe(topics.VERSION, identity.fingerprint, categories)
        self._cache = _cache(self._settings, identity.fingerprint)
        chosen = self._settings
        to = Destinations(
            chosen.output_topic, chosen.dead_letter_topic, chosen.max_note_bytes, chosen.embedding_topic
        )
        explain = partial(Asking(checkpoint).explain, engine=self._engine)
        self._pipeline = NotePipeline(self._engine, self._cache, identity, to, self._finish, explain)

    async def annotate(self, incoming: Incoming) -> Outgoing:
        """As `NotePipeline.annotate`; only after `connect`."""
        assert self._pipeline is not None
        return await self._pipeline.annotate(incoming)

    async def close(self) -> None:
        await self._engine.close()
        if self._cache is not None:
            await self._cache.close()


@asynccontextmanager
async def _reading(settings: Settings, checkpoint: Checkpoint) -> AsyncIterator[Reading]:
    if settings.engine_address is None:
        raise SettingError(
            "a worker needs to know where its engine listens: set STREAMER_ENGINE_ADDRESS=ipc:///a/path, "
            "the same for `streamer engine`"
        )
    finish = checkpoints.finish(settings, checkpoint)
    await _cache(settings, checkpoint.fingerprint).close()  # a setting of no use is refused at once
    engine = EngineClient(settings.engine_address, checkpoint, metrics.waited)
    reading = Reading(settings, checkpoint, finish, engine)
    try:
        yield reading
    finally:
        await reading.close()


def _cache(settings: Settings, fingerprint: str) -> Cache:
    secrets = (settings.cache_secret, settings.cache_secret_previous)
    return Cache(
        settings.redis_url,
        [secret.get_secret_value() for secret in secrets if secret is not None],
        fingerprint,
        settings.cache_ttl_s,
        settings.cache_timeout_ms / 1000,
        metrics.CacheObserver(),
    )


@contextmanager
def _page(settings: Settings, health: Callable[[], Health]) -> Iterator[None]:
    """A worker that counts into a node's page has none of its own."""
    if metrics.counts_into_node():
        yield
        return
    server = metrics.serve(settings.metrics_host, settings.metrics_port, health)
    try:
        yield
    finally:
        server.close()
