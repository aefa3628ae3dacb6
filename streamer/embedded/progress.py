"""Shows a download to people: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from streamer.embedded.jars import Progress

TITLE = "Fetching Apache Kafka (once)"
SECONDS_BETWEEN_LINES = 2.0


@contextmanager
def shown_download(out: TextIO | None = None) -> Iterator[Progress]:
    """A callback for `class_path`; nothing is written unless it is called. `out` is standard error."""
    out = out or sys.stderr
    if not out.isatty():
        yield _Lines(out)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=Console(file=out))
    task = bar.add_task(TITLE, total=None, visible=False)

    def show(file: str, done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total, visible=True)
        if done >= total:
            bar.stop()

    try:
        yield show
    finally:
        bar.stop()


class _Lines:
    def __init__(self, out: TextIO) -> None:
        self._out, self._next = out, 0.0

    def __call__(self, file: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next and done < total:
            return
        self._next = now + SECONDS_BETWEEN_LINES
        self._out.write(f"{TITLE}: {done / 1e6:.0f} of {total / 1e6:.0f} MB\n")
        self._out.flush()
