"""This machine: files that may be open, space on disk, memory for every process of a node."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path

import psutil

from models.checkpoint import Checkpoint
from streamer.checkups.finding import Finding, bad, good, unknown
from streamer.settings import Settings

FILES = 1024
DISK_BYTES, SHM_BYTES = 256 << 20, 64 << 20
SHM = Path("/dev/shm")  # noqa: S108 - looked at, not used
CGROUP_LIMIT, CGROUP_USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
NODE_BYTES, WORKER_BYTES, ENGINE_BYTES = 100 << 20, 300 << 20, 900 << 20
"""Resident at most, measured with the shipped checkpoint (66, 237 and 888 MB) and rounded up."""
UNPACKED = 6
"""Bytes of an engine's memory for each stored byte of weights: int8 there, fp32 and packed here."""


def look(settings: Settings, checkpoint: Checkpoint | None) -> list[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    folder = settings.state_dir or Path(tempfile.gettempdir())
    return [
        files(soft),
        space(folder, DISK_BYTES, "free space there, or set STREAMER_STATE_DIR to a folder elsewhere"),
        space(SHM, SHM_BYTES, "mount -o remount,size=1g /dev/shm (in a container: --shm-size=1g)"),
        memory(settings.workers, _weights(checkpoint), available()),
    ]


def files(limit: int) -> Finding:
    """`limit`: how many a process may have open."""
    if limit != resource.RLIM_INFINITY and limit < FILES:
        return bad(
            "machine", f"a process may open {limit} files, and {FILES} are needed", f"ulimit -n {4 * FILES}"
        )
    return good("machine", "a process may open enough files")


def space(folder: Path, need: int, mend: str) -> Finding:
    """Whether as much is free where the folder is, or will be."""
    there = next((own for own in (folder, *folder.absolute().parents) if own.exists()), None)
    if there is None or (folder == SHM and there != SHM):
        return unknown("machine", f"space in {folder}", "it does not exist here")
    if not os.access(there, os.W_OK):
        return bad("machine", f"{there} cannot be written to", f"chown {os.getuid()} {there}")
    free = shutil.disk_usage(there).free
    if free < need:
        return bad("machine", f"{folder} has {_mb(free)} free, and {_mb(need)} are needed", mend)
    return good("machine", f"{folder} has {_mb(free)} free")


def memory(workers: int, weights: int, free: int) -> Finding:
    """`weights`: bytes of the checkpoint's files; `free`: bytes."""
    need = NODE_BYTES + ENGINE_BYTES + UNPACKED * weights + workers * WORKER_BYTES
    sum_of = f"{workers} workers and an engine need about {_mb(need)} of memory"
    if free < need:
        fit = (free - (need - workers * WORKER_BYTES)) // WORKER_BYTES
        fewer = f"STREAMER_WORKERS={fit}, or " if 0 < fit < workers else ""
        return bad("machine", f"{sum_of}, and {_mb(free)} are free", f"{fewer}give this machine more memory")
    return good("machine", f"{sum_of}; {_mb(free)} are free")


def available() -> int:
    """Bytes that processes may still take, by the machine and by the container."""
    free = psutil.virtual_memory().available
    try:
        limit, used = int(CGROUP_LIMIT.read_text()), int(CGROUP_USED.read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, limit - used)


def _weights(checkpoint: Checkpoint | None) -> int:
    return 0 if checkpoint is None else sum(file.stat().st_size for file in checkpoint.weights)


def _mb(count: int) -> str:
    return f"{count / 2**20:.0f} MB"
