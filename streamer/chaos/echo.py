"""A worker whose pipeline is a random pause: shows the delivery guarantee alone, with no model and no cache.

`python -m streamer.chaos.echo` with the service's settings in the environment. `ECHO_PAUSE_MS`: the longest
pause; `ECHO_POISON`: the value of a note that it fails on, `ECHO_HANG` that it never answers, `ECHO_BLOCK` in
which its event loop stands still, `ECHO_DEAF` after which its client gets nothing any more.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from typing import Any

from streamer import logs, settings
from streamer.children import ready_file
from streamer.intake import Intake
from streamer.topics import Incoming, Outgoing
from streamer.worker import Worker

PAUSE_S = float(os.environ.get("ECHO_PAUSE_MS", "20")) / 1000
POISON, HANG, BLOCK, DEAF = (
    os.environ.get(f"ECHO_{which}", "").encode() for which in ("POISON", "HANG", "BLOCK", "DEAF")
)
LARGE = b"large "
FOR_EVER_S = 3600.0


async def echo(incoming: Incoming) -> Outgoing:
    if PAUSE_S:
        await asyncio.sleep(random.random() * PAUSE_S)
    value = incoming.value
    if POISON and value == POISON:
        raise ZeroDivisionError(f"an error's message may quote a note: {value!r}")
    if HANG and value == HANG:
        await asyncio.Event().wait()
    if BLOCK and value == BLOCK:
        _stand_still()
    if DEAF and value == DEAF:
        Intake._wait_next_records = _nothing
    if value is not None and value.startswith(LARGE):
        value = value + b"." * 300_000
    return Outgoing(chosen.output_topic, incoming.key, value, incoming.headers)


async def _nothing(_: Intake, timeout: float) -> tuple[dict[Any, Any], set[Any]]:
    await asyncio.sleep(timeout)
    return {}, set()


def _stand_still() -> None:
    time.sleep(FOR_EVER_S)


async def work() -> int:
    sign = ready_file(chosen.state_dir, os.getpid())
    return await Worker(chosen, echo, ready_file=sign).run()


if __name__ == "__main__":
    chosen = settings.load()
    logs.configure()
    sys.exit(asyncio.run(work()))
