"""The real servers, one of each for the whole session: tests keep apart by topics, groups and keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamer.embedded import KafkaCluster, RedisServer
from streamer.embedded.progress import shown_download
from tests.integration.secured import Secured


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One broker, shared: do not stop it. A test that ends brokers starts a cluster of its own."""
    with shown_download() as progress, KafkaCluster(progress=progress) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Shared: do not stop or flush it."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Shared, its access lists too: grant and revoke for topics of your own."""
    with Secured(tmp_path_factory.mktemp("secured")) as servers:
        yield servers
