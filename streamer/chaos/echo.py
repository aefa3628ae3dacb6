"""A worker whose pipeline is a random pause: shows the delivery guarantee alone, with no model and no cache.

`python -m streamer.chaos.echo` with the service's settings in the environment. `ECHO_PAUSE_MS`: the longest
pause; `ECHO_POISON`: the value of a note that it fails on.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

from streamer import logs, settings
from streamer.children import ready_file
from streamer.topics import Incoming, Outgoing
from streamer.worker import Worker

PAUSE_S = float(os.environ.get("ECHO_PAUSE_MS", "20")) / 1000
POISON = os.environ.get("ECHO_POISON", "").encode()
LARGE = b"large "


async def echo(incoming: Incoming) -> Outgoing:
    if PAUSE_S:
        await asyncio.sleep(random.random() * PAUSE_S)
    value = incoming.value
    if POISON and value == POISON:
        raise ZeroDivisionError(f"an error's message may quote a note: {value!r}")
    if value is not None and value.startswith(LARGE):
        value = value + b"." * 300_000
    return Outgoing(chosen.output_topic, incoming.key, value, incoming.headers)


async def work() -> int:
    sign = ready_file(chosen.state_dir, os.getpid())
    return await Worker(chosen, echo, ready_file=sign).run()


if __name__ == "__main__":
    chosen = settings.load()
    logs.configure()
    sys.exit(asyncio.run(work()))
