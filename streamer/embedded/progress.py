"""Shows a download to people: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamer.embedded.jars import Progress

TITLE = "Fetching Apache Kafka (once)"
SECONDS_BETWEEN_LINES = 2.0


@contextmanager
def shown_download(say: Callable[[str], None] | None = None) -> Iterator[Progress]:
    """A callback for `class_path`, silent until it is called. `say` gets lines; without, standard error."""
    if say is not None or not sys.stderr.isatty():
        yield _Lines(say or _to_standard_error)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Bar(*columns, console=Console(stderr=True))
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


def _to_standard_error(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class _Lines:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._next = say, 0.0

    def __call__(self, file: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next and done < total:
            return
        self._next = now + SECONDS_BETWEEN_LINES
        self._say(f"{TITLE}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
