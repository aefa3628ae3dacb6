"""A worker whose encoder is a stand-in with a fault that can be mended: notes that say `poison` fail.

Run as a program with the service's settings in the environment. `MENDED`: the fault is mended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from models.types import Lane, Passage
from streamer import logs, settings
from streamer.children import ready_file
from streamer.pipeline import Destinations, NotePipeline
from streamer.worker import Worker
from tests.fakes import PIPELINE, FakeCache, FakeEngine, FakeReading, found


class Broken(FakeEngine):
    """Tells by its timings which process read."""

    async def read(self, passages: Sequence[Passage], lane: Lane = "routine") -> FakeReading:
        return replace(await super().read(passages, lane), inference_ms=float(os.getpid()))


class Mended(FakeEngine):
    async def read(self, passages: Sequence[Passage], lane: Lane = "routine") -> FakeReading:
        return FakeReading([found(passage.text) for passage in passages])


async def work() -> int:
    chosen = settings.load()
    engine = Mended() if os.environ.get("MENDED") else Broken()
    to = Destinations(chosen.output_topic, chosen.dead_letter_topic, chosen.max_note_bytes)
    pipeline = NotePipeline(engine, FakeCache(), PIPELINE, to)
    sign = ready_file(chosen.state_dir, os.getpid())
    return await Worker(chosen, pipeline.annotate, ready_file=sign).run()


if __name__ == "__main__":
    logs.configure()
    sys.exit(asyncio.run(work()))
