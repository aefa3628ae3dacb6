"""Small JSON files that are kept for this user between runs, below `$XDG_CACHE_HOME/streamer`.

Nothing here is ever needed: a file that is missing, damaged or cannot be written is as good as none.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

import msgspec

Kept = TypeVar("Kept")


def base() -> Path:
    """Where all of it is kept. Raises `RuntimeError` for a user without a home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamer"


def folder(kind: str) -> Path | None:
    """Where files of a kind are kept; None for a user without a home."""
    with suppress(RuntimeError):
        return base() / kind
    return None


def read(path: Path, kind: type[Kept]) -> Kept | None:
    """What was written there, or None."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def write(path: Path, value: Any) -> bool:
    """Whole or not at all; False where it cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
            part.write(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
        os.chmod(part.name, 0o644)
        os.replace(part.name, path)
    except OSError:
        return False
    return True
