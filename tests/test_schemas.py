import json
from typing import Any

import jsonschema
import msgspec
import pytest

from models.types import Annotation
from streamer import formats, samples, schemas
from streamer.errors import NoteError
from tests.records import PIPELINE, TIMINGS, read, words


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = schemas.read(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def records() -> list[Any]:
    notes = [formats.decode(value, None, "t/0/0") for value in list(samples.values())[:40]]
    return [json.loads(msgspec.json.encode(read(note, words("[Pp]ain|fever")))) for note in notes]


@pytest.mark.parametrize("name", sorted(schemas.TYPES))
def test_the_committed_schema_is_the_generated_one(name: str) -> None:
    assert (schemas.FOLDER / name).read_bytes() == schemas.generate(name), "run python -m streamer.schemas"


def test_every_record_holds_to_the_schema() -> None:
    check = validator("annotation-1.json")
    for record in records():
        check.validate(record)
        assert list(record)[:4] == ["schemaVersion", "id", "document", "pipeline"]
        assert record["offsetUnit"] == "unicodeCodePoint"


def test_nothing_of_a_record_may_be_missing() -> None:
    check = validator("annotation-1.json")
    record = records()[0]
    for field in record:
        with pytest.raises(jsonschema.ValidationError):
            check.validate({key: value for key, value in record.items() if key != field})
    record["entities"].append({"id": "e1"})
    with pytest.raises(jsonschema.ValidationError):
        check.validate(record)


def test_every_bundled_note_holds_to_the_schema_of_notes() -> None:
    check = validator("note-1.json")
    for note in samples.load():
        check.validate(note)


@pytest.mark.parametrize(
    "note",
    [
        {},
        {"id": "n"},
        {"text": "x"},
        {"id": "n", "text": None},
        {"id": "n", "text": " "},
        {"id": 1, "text": "x"},
    ],
)
def test_what_the_format_refuses_the_schema_refuses(note: dict[str, Any]) -> None:
    assert not validator("note-1.json").is_valid(note)
    with pytest.raises(NoteError):
        formats.decode(json.dumps(note).encode(), "application/json", "t/0/0")


def test_names_are_the_contracts() -> None:
    record = records()[0]
    assert list(record["timings"]) == ["queueMs", "inferenceMs", "cachedPassages", "passages"]
    assert {"contentSha256", "patientKey", "encounterKey", "authoredAt", "sourceSystem"} <= set(
        record["document"]
    )
    assert msgspec.json.decode(json.dumps(record), type=Annotation).pipeline == PIPELINE
    assert msgspec.json.decode(json.dumps(record), type=Annotation).timings == TIMINGS
