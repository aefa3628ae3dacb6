"""The composition root of one worker: checkpoint, engine, cache and pipeline are put together here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from models.checkpoint import Checkpoint, open_checkpoint
from models.client import EngineClient
from streamer import logs, metrics, topics
from streamer.cache import Cache
from streamer.children import ready_file
from streamer.endpoints import Health
from streamer.errors import SettingError
from streamer.pipeline import Destinations, NotePipeline
from streamer.settings import Settings
from streamer.worker import Worker


def main(settings: Settings) -> int:
    """One worker of the service, until SIGTERM; gives the exit code."""
    logs.configure()
    return asyncio.run(_main(settings))


async def _main(settings: Settings) -> int:
    async with _pipeline(settings, _checkpoint(settings)) as (pipeline, engine):
        worker = Worker(settings, pipeline.annotate, engine, ready_file(settings.state_dir, os.getpid()))
        with _page(settings, worker.health):
            return await worker.run()


def _checkpoint(settings: Settings) -> Checkpoint:
    checkpoint = open_checkpoint(settings.checkpoint)
    checkpoint.require_heads()
    metrics.describe(topics.VERSION, checkpoint.fingerprint, checkpoint.categories)
    return checkpoint


@asynccontextmanager
async def _pipeline(
    settings: Settings, checkpoint: Checkpoint
) -> AsyncIterator[tuple[NotePipeline, EngineClient]]:
    if settings.engine_address is None:
        raise SettingError(
            "a worker needs to know where its engine listens: set STREAMER_ENGINE_ADDRESS=ipc:///a/path, "
            "the same for `streamer engine`"
        )
    secrets = (settings.cache_secret, settings.cache_secret_previous)
    cache = Cache(
        settings.redis_url,
        [secret.get_secret_value() for secret in secrets if secret is not None],
        checkpoint.fingerprint,
        settings.cache_ttl_s,
        settings.cache_timeout_ms / 1000,
        metrics.CacheObserver(),
    )
    engine = EngineClient(settings.engine_address, checkpoint)
    to = Destinations(settings.output_topic, settings.dead_letter_topic, settings.max_note_bytes)
    try:
        yield NotePipeline(engine, cache, checkpoint.pipeline, to), engine
    finally:
        await engine.close()
        await cache.close()


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
