"""The formats a note can come in, and which of them reads a record: a new one is a file and a line here."""

from __future__ import annotations

from models.types import Note
from streamer.errors import NoteError
from streamer.formats import note_json, plain_text
from streamer.formats.format import Format

FORMATS: tuple[Format, ...] = (note_json.FORMAT, plain_text.FORMAT)
"""In the order in which they are asked about a value without a content type; the last takes any."""

_SAYS_NOTHING = frozenset({"", "application/octet-stream"})
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def decode(value: bytes, content_type: str | None, source_id: str) -> Note:
    """The note in a record's value; `source_id` is the record's `topic/partition/offset`.

    The content type's format decides, else the value's first bytes. Raises NoteError: `empty` for no bytes,
    `unknown-format` for a content type or charset that nothing here reads, or the format's own reason.
    """
    if not value:
        raise NoteError("empty")
    return choose(value, content_type).decode(value, source_id)


def choose(value: bytes, content_type: str | None) -> Format:
    media_type, charset = _parse(content_type or "")
    if charset not in _CHARSETS:
        raise NoteError("unknown-format")
    if media_type in _SAYS_NOTHING:
        return next(known for known in FORMATS if known.sniff(value))
    for known in FORMATS:
        if media_type in known.content_types:
            return known
    raise NoteError("unknown-format")


def _parse(content_type: str) -> tuple[str, str]:
    """Media type and charset of an RFC 9110 content type, in small letters; `utf-8` where none is named."""
    media_type, *parameters = content_type.lower().split(";")
    named = dict(parameter.partition("=")[::2] for parameter in parameters)
    charsets = [value for name, value in named.items() if name.strip() == "charset"]
    return media_type.strip(), (charsets[0] if charsets else "utf-8").strip(" \t\"'")
