"""Run as a program: waits until its parent is gone, however it went, then leaves nothing of it behind.

    python reaper.py PARENT_PID FOLDER keep|remove

The parent holds the other end of our standard input. When that closes, or the parent dies, every server
(a java or redis-server) still at work inside FOLDER is killed, and FOLDER is removed if it was temporary.
It is a process of its own because nothing inside the parent survives SIGKILL, and Linux's parent-death
signal is sent when the *thread* that started a child ends, which in a test run is long before the end.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

SERVERS = ("java", "redis-")  # Debian's redis-server is a link to redis-check-rdb


def wait_for_end_of(parent: int) -> None:
    watched: list[int] = [sys.stdin.fileno()]
    with contextlib.suppress(AttributeError, OSError):  # not Linux, or already gone
        watched.append(os.pidfd_open(parent))  # a forked child may hold the pipe open after its parent
    if os.getppid() == parent:
        select.select(watched, [], [])


def servers_inside(folder: Path) -> list[int]:
    import psutil  # seldom needed, slow to import

    found = []
    for process in psutil.process_iter():
        try:
            at_work = Path(process.cwd().removesuffix(" (deleted)")).is_relative_to(folder)
            if at_work and Path(process.exe()).name.startswith(SERVERS):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def sweep(folder: Path, remove: bool) -> None:
    for _ in range(100):
        for pid in servers_inside(folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if remove:
            shutil.rmtree(folder, ignore_errors=True)
        if not servers_inside(folder) and not (remove and folder.exists()):
            return
        time.sleep(0.05)


def main() -> None:
    parent, folder, fate = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    wait_for_end_of(parent)
    if folder.exists():
        sweep(folder, remove=fate == "remove")


if __name__ == "__main__":
    main()
