"""The real Kafka and the real Redis on this machine, without Docker, an installed Java, or root."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from streamer.embedded.kafka import KafkaCluster
from streamer.embedded.progress import shown_download
from streamer.embedded.redis import RedisServer

__all__ = ["KafkaCluster", "RedisServer", "run_stack", "stack"]


@contextmanager
def stack(
    brokers: int = 1, folder: Path | None = None, progress: Callable[[str], None] | None = None
) -> Iterator[dict[str, str]]:
    """Both servers, ready: `{"bootstrap": "host:port,…", "redis": "redis://…"}`; stopped at the end.

    With `folder` Kafka's data stays there for the next start. A first run downloads Kafka (44 MB): `progress`
    gets lines about it; without, standard error shows it. Raises StreamerError in one line.
    """
    with (
        RedisServer(folder / "redis" if folder else None) as redis,
        shown_download(progress) as download,
        KafkaCluster(brokers, folder / "kafka" if folder else None, progress=download) as kafka,
    ):
        yield {"bootstrap": kafka.bootstrap, "redis": redis.url}


def run_stack(brokers: int = 1, folder: Path | None = None) -> int:
    """Prints one JSON line when both servers are ready; gives 0, all stopped, after SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if not ended.is_set():  # a second signal must not cut the stop short
            ended.set()
            raise _EndedEarly

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with stack(brokers, folder) as addresses:
            sys.stdout.write(json.dumps(addresses) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
    except _EndedEarly:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


class _EndedEarly(BaseException):
    """Unwinds whatever the main thread was at, so that both servers stop."""
