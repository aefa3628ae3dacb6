"""Plain text: the whole value is the note, its id is the record's place (`topic/partition/offset`)."""

from __future__ import annotations

from models.types import Note
from streamer.errors import NoteError
from streamer.formats.format import Format, utf8


def decode(value: bytes, source_id: str) -> Note:
    text = utf8(value)
    if not text or text.isspace():
        raise NoteError("no-text")
    return Note(id=source_id, text=text)


def sniff(value: bytes) -> bool:
    """Whatever no other format takes is text."""
    return True


FORMAT = Format("plain-text", frozenset({"text/plain"}), sniff, decode)
