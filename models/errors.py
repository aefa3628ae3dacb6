"""What can go wrong on the models' side. Every message is one line: what, where, what to do.

Exception
├── CheckpointError    a checkpoint that cannot be used: the process refuses to start
└── EngineError        engine and worker do not fit together, or the engine was closed
    └── RequestRefused the engine said no to one request, with its reason; it lives on
"""

from __future__ import annotations

from pathlib import Path

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What is raised of a file or a message that is not what it should be."""


class CheckpointError(Exception):
    """A checkpoint is missing, damaged, or of a kind that cannot be used so."""


class EngineError(Exception):
    """Engine and client cannot work together, now or ever; waiting does not help."""


class RequestRefused(EngineError):
    """The engine refused one request, e.g. for a wrong shape or another protocol version."""


def unreadable(path: Path, error: Exception) -> str:
    """What a `CheckpointError` says of one of `UNREADABLE`: one line, whatever the file quotes."""
    return f"{path}: {printable(' '.join(str(error).split()))}; fetch the checkpoint again"


def printable(text: str) -> str:
    """What a message may quote: one line that steers no terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
