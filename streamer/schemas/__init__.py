"""JSON Schemas of what goes in and what comes out, generated from the types: `python -m streamer.schemas`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from models.types import Annotation
from streamer.formats.note_json import NoteJson

FOLDER = Path(__file__).parent
TYPES: dict[str, tuple[Any, str]] = {
    "annotation-1.json": (Annotation, "Streamer annotation record, version 1"),
    "note-1.json": (NoteJson, "Streamer note, version 1"),
}
"""File name → the type it describes, and its title."""


def generate(name: str) -> bytes:
    """The schema (JSON Schema 2020-12) of one of `TYPES`, as the committed file holds it."""
    described, title = TYPES[name]
    schema = msgspec.json.schema(described)
    definitions = schema["$defs"]
    if described is NoteJson:
        # the type takes a missing text so that it can name the fault; a producer must send one
        definitions["NoteJson"]["required"] = ["id", "text"]
        definitions["NoteJson"]["properties"]["text"] = {"type": "string", "pattern": r"\S"}
    else:
        for definition in definitions.values():
            definition["required"] = list(definition["properties"])  # one shape: nothing is ever left out
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"


def read(name: str) -> dict[str, Any]:
    """The committed schema."""
    return msgspec.json.decode((FOLDER / name).read_bytes(), type=dict[str, Any])


def write() -> None:
    for name in TYPES:
        (FOLDER / name).write_bytes(generate(name))
