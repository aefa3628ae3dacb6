"""What a process must not leave behind: a dump of its memory, or an error message that quotes a note."""

from __future__ import annotations

import resource
import sys
import threading
import traceback
from asyncio import CancelledError
from contextlib import suppress
from types import TracebackType

NO_DUMP = 1
"""Bytes of a core dump. Below a page no file is written; and where dumps go to a program (a pipe in
`core_pattern`) Linux calls it at a limit of 0 too, but not at 1: do_coredump() in fs/coredump.c."""


def keep() -> None:
    """For this process and those that it starts."""
    for limit in (NO_DUMP, 0):  # where a container says 0 already, only 0 can be had
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
            break
    sys.excepthook = _tell
    threading.excepthook = _tell_of_thread


def tell(error: BaseException) -> None:
    """An error that nobody foresaw, to standard error, without what it says."""
    _tell(type(error), error, error.__traceback__)


def _tell_of_thread(unforeseen: threading.ExceptHookArgs) -> None:
    if not issubclass(unforeseen.exc_type, CancelledError):  # its event loop was stopped, as it was told to
        _tell(unforeseen.exc_type, unforeseen.exc_value, unforeseen.exc_traceback)


def _tell(kind: type[BaseException], _: BaseException | None, trace: TracebackType | None) -> None:
    """An error that nobody foresaw: its class and where it was, no message and no local variable."""
    if issubclass(kind, KeyboardInterrupt):
        print("streamer: interrupted", file=sys.stderr)
        return
    for own in traceback.extract_tb(trace):
        print(f"  {own.filename}:{own.lineno} in {own.name}", file=sys.stderr)
    print(
        f"streamer: this is a bug: {kind.__name__}. Report it with these lines; nothing of a note is in them",
        file=sys.stderr,
    )
