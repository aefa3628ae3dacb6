"""What an input format is: bytes → Note, or a NoteError with its exact reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.types import Note
from streamer.errors import NoteError

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Format:
    """`sniff(value)` says whether a value without a content type looks like this format.

    `decode(value, source_id)` gives the note; `source_id` names the record (`topic/partition/offset`). It
    raises NoteError and nothing else, whatever the bytes are.
    """

    name: str
    content_types: frozenset[str]
    sniff: Callable[[bytes], bool]
    decode: Callable[[bytes, str], Note]


def utf8(value: bytes) -> str:
    """The text of `value` as it stands, line ends and all; only a leading byte order mark is dropped."""
    try:
        return value.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("not-utf8") from None
