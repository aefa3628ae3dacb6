"""What our processes write to standard error: one line a record, and nothing of a note.

Our own messages are fixed sentences. Messages of libraries may quote what they were working on, so of those
only the template is shown, with numbers and the classes of errors filled in.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

OURS = ("streamer", "models")
FAUSTS = "streamer.intake"
"""Subclasses of Faust's own classes: Faust writes its messages in their name."""
ASYNCIOS = "asyncio"
"""Its messages come filled in: what broke, and then all about it, errors and arguments of calls included."""
QUIET = (FAUSTS, "faust", "mode", "aiokafka", "kafka", ASYNCIOS, "urllib3")
AGAIN_S, MOST = 10.0, 1000
"""A library's line is not written again for so long; of so many lines it is known when they were."""


def configure() -> None:
    """Our messages from INFO, those of libraries from WARNING, all through `Formatter`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Seldom())
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    # Kafka 4 answers a transaction that follows quickly on the last with "try again": no event. A record that
    # cannot be delivered is raised to us.
    logging.getLogger("aiokafka.producer.sender").setLevel(logging.ERROR)


class Seldom(logging.Filter):
    """While a broker is down its clients try again fifty times a second, and say so each time: a library's
    line that was just written is left out, and counted when it is written again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._shown: dict[tuple[str, str], float] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_ours(record):
            return True
        line, now = (record.name, _template(record.msg, record.args)), self._clock()
        if now - self._shown.get(line, -AGAIN_S) < AGAIN_S:
            self._left_out[line] += 1
            return False
        if len(self._shown) >= MOST:
            self._shown.clear()
            self._left_out.clear()
        self._shown[line] = now
        record.left_out = self._left_out.pop(line, 0)
        return True


class Formatter(logging.Formatter):
    """Leaves out every value that could hold text of a note: strings, bytes, error messages, tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        shown = logging.makeLogRecord(record.__dict__)
        error = record.exc_info[1] if record.exc_info else None
        if not _is_ours(record):
            shown.msg, shown.args = _template(record.msg, record.args), None
        if record.name == ASYNCIOS:
            shown.msg = re.split(r"[\n(<]", str(shown.msg), maxsplit=1)[0].rstrip()
        if error is not None:
            shown.msg, shown.args = f"{shown.getMessage()} [{place(error)}]", None
        if count := getattr(record, "left_out", 0):
            shown.msg, shown.args = f"{shown.getMessage()} ({count} times more before)", None
        shown.exc_info = shown.exc_text = shown.stack_info = None
        return super().format(shown)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0] in OURS and record.name != FAUSTS


def place(error: BaseException) -> str:
    """Class, file and line of an error, without its message."""
    where = _innermost(error.__traceback__)
    return f"{type(error).__name__} at {where}" if where else type(error).__name__


def _innermost(trace: TracebackType | None) -> str:
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _template(message: Any, args: Any) -> str:
    if not isinstance(message, str):
        return type(message).__name__
    values = args if isinstance(args, tuple) else () if args is None else (args,)
    try:
        return message % tuple(_harmless(value) for value in values) if values else message
    except (TypeError, ValueError, KeyError):
        return message


class _Word(str):
    """Shown as it is under %s and %r alike."""

    def __repr__(self) -> str:
        return str(self)


def _harmless(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return _Word(type(value).__name__)
    if isinstance(value, type):
        return _Word(value.__name__)
    return _Word("…")
