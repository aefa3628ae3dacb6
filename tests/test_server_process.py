import asyncio
import signal
import time
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from models import wire
from models.checkpoint import Checkpoint
from models.client import answers
from tests.engines import EngineProcess, passage


def test_a_process_says_nothing_stops_when_told_and_takes_its_socket_along(
    checkpoint: Checkpoint, folder: Path
) -> None:
    with EngineProcess(checkpoint.folder, folder) as process:
        assert answers(process.address, 10)
        assert process.end() == (0, "")
    assert not (folder / "engine.sock").exists()
    assert not answers(f"ipc://{folder}/engine.sock", 0.05)


HANG = "import models.forward, time; models.forward.Forward.__call__ = lambda *_: time.sleep(600)"
BREAK = """
import models.forward
def call(*_): raise LookupError("what the patient said")
models.forward.Forward.__call__ = call
"""


@pytest.mark.parametrize(
    ("before", "said"), [(HANG, "a batch has been on the device for more than 1 s"), (BREAK, "this is a bug")]
)
async def test_a_hang_and_a_bug_end_the_process_in_one_line(
    checkpoint: Checkpoint, folder: Path, before: str, said: str
) -> None:
    process = EngineProcess(checkpoint.folder, folder, before, hang_seconds=1)
    with process, zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as worker:
        worker.connect(process.address)
        await worker.send(wire.encode(wire.Hello(wire.VERSION, "any")))
        read = [wire.encode(wire.Read(1, "routine")), *wire.pack_passages([passage(3)])]
        await worker.send_multipart(read)
        begun = time.monotonic()
        code, error = await asyncio.to_thread(process.end, signal.SIGCONT)
        assert (code, error.count("\n")) == (1, 1)
        assert said in error
        assert "patient" not in error
        assert time.monotonic() - begun < 60
