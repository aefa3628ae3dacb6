"""Another version of the service, made on the spot: code, checkpoint and records differ a little."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from models.manifest import MANIFEST, seal
from streamer.chaos.places import ROOT

VERSION = "newer"
FIELD = "fromANewerVersion"
CODE = ROOT / "streamer", ROOT / "models"
NOT_NEEDED = shutil.ignore_patterns("__pycache__", "checkpoints", "samples", "chaos")
"""The last of them quotes what must be found nowhere."""
ITS_RECORDS = f'''

VERSION = "{VERSION}"
_annotation = annotation


def annotation(incoming, topic, record, record_id, kind=CE_TYPE):
    return _annotation(incoming, topic, record[:-1] + b',"{FIELD}": []}}', record_id, kind)
'''


def make(folder: Path) -> Path:
    """A folder to import `streamer` and `models` from; its records have a field more."""
    for code in CODE:
        shutil.copytree(code, folder / code.name, ignore=NOT_NEEDED)
    with (folder / "streamer" / "topics.py").open("a") as file:
        file.write(ITS_RECORDS)
    return folder


def checkpoint(original: Path, folder: Path) -> Path:
    """A copy in our own layout, of another version and with one bit of one weight turned over."""
    shutil.copytree(original, folder)
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[8 + int.from_bytes(data[:8], "little")] ^= (
        1  # the lowest of the first weight: after length and header
    )
    weights.write_bytes(data)
    seal(folder, json.loads((folder / MANIFEST).read_bytes()) | {"version": VERSION})
    return folder
