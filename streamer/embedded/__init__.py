"""The real Kafka and the real Redis on this machine, without Docker, an installed Java, or root."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from streamer.embedded.kafka import KafkaCluster
from streamer.embedded.progress import shown_download
from streamer.embedded.redis import RedisServer

__all__ = ["KafkaCluster", "RedisServer", "serve_stack", "stack"]


@contextmanager
def stack(brokers: int = 1, dir: Path | None = None) -> Iterator[dict[str, str]]:
    """Both servers, ready: `{"bootstrap": "host:port,…", "redis": "redis://…"}`; stopped at the end.

    A first run downloads Kafka (44 MB) and shows it on standard error. Raises WorldError in one line.
    """
    with (
        RedisServer(dir / "redis" if dir else None) as redis,
        shown_download() as progress,
        KafkaCluster(brokers, dir / "kafka" if dir else None, progress=progress) as kafka,
    ):
        yield {"bootstrap": kafka.bootstrap, "redis": redis.url}


def serve_stack(brokers: int = 1, dir: Path | None = None) -> None:
    """Prints one JSON line when both servers are ready; returns, all stopped, after SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if ended.is_set():
            return
        ended.set()
        raise _EndedEarly

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with stack(brokers, dir) as addresses:
            sys.stdout.write(json.dumps(addresses) + "\n")
            sys.stdout.flush()
            ended.wait()
    except _EndedEarly:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _EndedEarly(BaseException):
    """Unwinds whatever the main thread was at, so that both servers stop."""
