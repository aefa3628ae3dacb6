"""The worker of `mending`, killed at the worst moment: what it sent is acknowledged and not yet committed.

Run as a program with the service's settings in the environment. `CUT_SHORT`: how many commits it lives for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from streamer import intake, logs
from streamer.release import Partition
from tests.integration import mending


class CutShort(intake.Intake):
    left = int(os.environ["CUT_SHORT"])

    async def commit_offset(self, partition: Partition, offset: int) -> None:
        CutShort.left -= 1
        if CutShort.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await super().commit_offset(partition, offset)


if __name__ == "__main__":
    logs.configure()
    intake.Intake = CutShort  # type: ignore[misc]
    sys.exit(asyncio.run(mending.work()))
