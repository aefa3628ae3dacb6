"""A worker whose pipeline is a random pause: shows the delivery guarantee alone, with no model and no cache.

Run as a program with the service's settings in the environment. `ECHO_PAUSE_MS`: the longest pause.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

from streamer import logs, settings
from streamer.topics import Incoming, Outgoing
from streamer.worker import Worker

PAUSE_S = float(os.environ.get("ECHO_PAUSE_MS", "20")) / 1000


async def echo(incoming: Incoming) -> Outgoing:
    if PAUSE_S:
        await asyncio.sleep(random.random() * PAUSE_S)
    if incoming.value == b"raise":
        raise ZeroDivisionError("a canary in an error's message")
    if incoming.value == b"large":
        return Outgoing("annotations", incoming.key, b"x" * 2_000_000)
    return Outgoing(chosen.output_topic, incoming.key, incoming.value, incoming.headers)


async def work() -> int:
    return await Worker(chosen, echo).run()


if __name__ == "__main__":
    chosen = settings.load()
    logs.configure()
    sys.exit(asyncio.run(work()))
