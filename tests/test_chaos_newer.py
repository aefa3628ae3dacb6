"""The other version of row 27 differs where it should, and can be read by this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec

from models.checkpoint import open_checkpoint
from streamer.chaos import canaries, newer
from streamer.settings import SHIPPED_CHECKPOINT

SAYS = """
from streamer import topics
record = topics.annotation(topics.Incoming("notes", 0, 0, -1, b"k", b"v"), "out", b'{"id": "a1"}', "a1")
print(topics.VERSION, record.value.decode())
"""


class Known(msgspec.Struct):
    id: str


def test_its_records_have_a_field_that_older_readers_pass_over(tmp_path: Path) -> None:
    root = newer.make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SAYS],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
    )
    version, _, record = done.stdout.decode().partition(" ")
    assert version == newer.VERSION
    assert not canaries.sweep(canaries.files(root))
    assert json.loads(record) == {"id": "a1", newer.FIELD: []}
    assert msgspec.json.decode(record, type=Known).id == "a1"


def test_its_checkpoint_is_sealed_and_one_bit_is_other(tmp_path: Path) -> None:
    folder = newer.checkpoint(SHIPPED_CHECKPOINT, tmp_path / "copy")
    ours, other = open_checkpoint(SHIPPED_CHECKPOINT), open_checkpoint(folder)
    assert other.fingerprint != ours.fingerprint
    assert (other.pipeline.version, other.pipeline.name) == (newer.VERSION, ours.pipeline.name)
    weights = [(place / "weights.safetensors").read_bytes() for place in (SHIPPED_CHECKPOINT, folder)]
    changed = [(a, b) for a, b in zip(*weights, strict=True) if a != b]
    assert [a ^ b for a, b in changed] == [1]
