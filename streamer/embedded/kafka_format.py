"""The folder of an embedded broker before its first start, as Kafka's own StorageTool would leave it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from streamer.embedded import jars
from streamer.errors import WorldError
from streamer.ports import HOST

CHECKPOINT = "bootstrap.checkpoint"
FORMAT_SECONDS = 180.0  # on busy cores; alone and idle it is 2


def format_folder(data: Path, java: Sequence[str], node: int, cluster: str) -> None:
    """Make `data` the log folder of a node, unless it is one. `java`: the command with its class path."""
    if (data / "meta.properties").exists():
        return
    shutil.copyfile(_formatted(java), data / CHECKPOINT)
    (data / "meta.properties").write_text(
        f"version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={_short_uuid()}\n"
    )


def cluster_id(home: Path) -> str:
    """One id a folder: brokers refuse to join a cluster other than the one that their data is of."""
    file = home / "cluster.id"
    if not file.exists():
        file.write_text(_short_uuid())
    return file.read_text()


def _short_uuid() -> str:
    """A UUID as Kafka writes it: URL-safe base64 without padding; one with a leading dash it reserves."""
    while True:
        text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _formatted(java: Sequence[str]) -> Path:
    """What StorageTool writes into an empty data folder, made once and kept beside the jars.

    It holds the feature levels of this Kafka and nothing of a node, so every new folder gets a copy, which
    saves each start a run of Java.
    """
    version = hashlib.sha256(jars.LOCK_FILE.read_bytes()).hexdigest()[:12]
    kept = jars.cache_folder() / f"{CHECKPOINT}-{version}"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".format-") as name:
        scratch = Path(name)
        properties = scratch / "server.properties"
        properties.write_text(
            f"process.roles=broker,controller\nnode.id=1\nlog.dirs={scratch / 'data'}\n"
            f"controller.quorum.voters=1@{HOST}:9093\ncontroller.listener.names=CONTROLLER\n"
            f"listeners=PLAINTEXT://{HOST}:9092,CONTROLLER://{HOST}:9093\n"
        )
        command = [*java, "kafka.tools.StorageTool", "format", "-t", _short_uuid(), "-c", str(properties)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise WorldError(
                f"Kafka's StorageTool was not done after {FORMAT_SECONDS:.0f} s: this machine is too busy"
            ) from None
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            raise WorldError(f"Kafka's StorageTool could not format a folder: {words[-1][:300]}")
        (scratch / "data" / CHECKPOINT).replace(kept)
    return kept
