"""Our own JSON note: `{"id", "text"}` and optional fields; unknown fields are ignored.

Defined where JSON leaves it open: of a key given twice the last counts; nesting deeper than 64 levels and
escaped lone surrogates are invalid JSON; the footer's numbers keep the digits they came with.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
import numpy as np

from models.types import Coding, Note, NoteStatus
from streamer.errors import NoteError
from streamer.formats.format import BOM, Format, utf8

DEEPEST = 64
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_IDLE = bytes(set(range(256)) - set(b'"[]{}'))
_LARGE_NUMBER = re.compile(rb"\d[eE]\+?\d{3}|\d{300}")
_NOTHING = msgspec.Raw(b"null")


class NoteJson(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A clinical note as producers send it. `footer` is echoed back untouched in the annotation record."""

    id: Annotated[str, msgspec.Meta(pattern=r"\S")]
    text: str | None = None
    version: int | str | None = None
    patient_key: str | None = None
    encounter_key: str | None = None
    type: Coding | None = None
    authored_at: str | None = None
    source_system: str | None = None
    status: NoteStatus | None = None
    language: str | None = None
    footer: msgspec.Raw = msgspec.field(default_factory=lambda: _NOTHING)

    def __repr__(self) -> str:
        return f"NoteJson(<{len(self.text or '')} characters>)"


_DECODER = msgspec.json.Decoder(NoteJson)
_WELL_FORMED = msgspec.json.Decoder(msgspec.Raw)


def decode(value: bytes, source_id: str) -> Note:
    """The note in `value`, in time linear in its length; it names itself, so `source_id` is not used."""
    utf8(value)
    fields = _fields(value.removeprefix(BOM))
    if fields.text is None or not fields.text.strip():
        raise NoteError("no-text")
    return Note(
        id=fields.id,
        text=fields.text,
        version=fields.version,
        patient_key=fields.patient_key,
        encounter_key=fields.encounter_key,
        type=fields.type,
        authored_at=fields.authored_at,
        source_system=fields.source_system,
        status=fields.status,
        language=fields.language,
        footer=_footer(fields.footer),
    )


def _fields(value: bytes) -> NoteJson:
    if too_deep(value):
        raise NoteError("json-invalid")
    try:
        return _DECODER.decode(value)
    except msgspec.ValidationError:
        reason = "schema-invalid"
    except (msgspec.DecodeError, RecursionError):
        raise NoteError("json-invalid") from None
    # a field was refused before the rest was read: is the rest JSON at all?
    try:
        _WELL_FORMED.decode(value)
    except msgspec.DecodeError:
        reason = "json-invalid"
    raise NoteError(reason) from None


def _footer(raw: msgspec.Raw) -> msgspec.Raw | None:
    """The footer on one line, its numbers, keys and their order as they came; None for none."""
    content = bytes(raw)
    if content == b"null":
        return None
    if _LARGE_NUMBER.search(content):
        try:
            msgspec.json.decode(content)
        except msgspec.DecodeError:
            raise NoteError("schema-invalid") from None  # no reader of the record could take such a number
    return msgspec.Raw(msgspec.json.format(content, indent=-1))


def too_deep(value: bytes) -> bool:
    """Whether JSON is nested deeper than `DEEPEST` levels, brackets within its strings aside."""
    if value.count(b"[") + value.count(b"{") <= DEEPEST:
        return False
    bare = value.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_ONE_KIND, _IDLE).replace(b'""', b"")
    outside_strings = b"".join(bare.split(b'"')[::2])
    steps = (
        ord("[") + 1 - np.frombuffer(outside_strings, dtype=np.int8)
    )  # "[" goes a level down, "]" up again
    return bool(steps.cumsum(dtype=np.int64).max(initial=0) > DEEPEST)


def sniff(value: bytes) -> bool:
    """Starts like a JSON object, or like an array of them."""
    start = value.removeprefix(BOM)[:4096].translate(None, b" \t\r\n")
    return start.startswith((b"{", b"[{"))


FORMAT = Format("note-json", frozenset({"application/json", "text/json"}), sniff, decode)
