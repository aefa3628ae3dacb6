"""The real servers, one of each for the whole session: tests keep apart by topics, groups and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.embedded import KafkaCluster, RedisServer
from streamer.embedded.progress import shown_download
from tests.integration.secured import Secured

HERE = Path(__file__).parent
DROPPED = r"ignore:unclosed <socket\.socket fd=.* proto=6:ResourceWarning"
"""kafka-python 3.0.12 drops the socket of a connection that fails, or is under way when its client is closed
(`kafka.net.inet.create_connection`). What asyncio leaves open is told of as a transport: still an error."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings(DROPPED))


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
