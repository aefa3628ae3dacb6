import json
import time
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.types import Coding, Note
from streamer import formats
from streamer.errors import REASONS, NoteError
from streamer.formats.note_json import DEEPEST, too_deep

JSON = "application/json"
PLACE = "clinical-notes/3/41"
CANARY = "Canary-4711"


def decode(value: bytes, content_type: str | None = None) -> Note:
    return formats.decode(value, content_type, PLACE)


def reason(value: bytes, content_type: str | None = None) -> str:
    with pytest.raises(NoteError) as caught:
        decode(value, content_type)
    assert caught.value.stage == "decode"
    return caught.value.reason


def with_footer(footer: bytes) -> bytes:
    return b'{"id":"n","text":"Cough.","footer":' + footer + b"}"


def test_plain_text_is_the_whole_note_named_by_its_place() -> None:
    assert decode("Café:\r\n\tcough\x00 😀".encode(), "text/plain") == Note(
        id=PLACE, text="Café:\r\n\tcough\x00 😀"
    )


def test_every_field_of_a_json_note_is_kept() -> None:
    value = {
        "id": "n1",
        "text": "Cough.\r\n",
        "version": 3,
        "patientKey": "p",
        "encounterKey": "e",
        "type": {"system": "http://loinc.org", "code": "11506-3", "display": "Progress note"},
        "authoredAt": "2026-01-05T08:00:00Z",
        "sourceSystem": "ehr",
        "status": "final",
        "language": "en",
        "footer": {"any": [1, {"thing": None}]},
        "somethingNew": {"is": "ignored"},
    }
    note = decode(json.dumps(value, indent=2).encode(), JSON)
    assert msgspec.structs.replace(note, footer=None) == Note(
        id="n1",
        text="Cough.\r\n",
        version=3,
        patient_key="p",
        encounter_key="e",
        type=Coding(system="http://loinc.org", code="11506-3", display="Progress note"),
        authored_at="2026-01-05T08:00:00Z",
        source_system="ehr",
        status="final",
        language="en",
    )
    assert bytes(note.footer) == b'{"any":[1,{"thing":null}]}'


def test_a_footer_is_echoed_digit_by_digit_on_one_line() -> None:
    note = decode(with_footer(b' {"b": 1.50,\n "a": ' + b"7" * 400 + b', "s": "x\\n y" }'))
    assert bytes(note.footer) == b'{"b":1.50,"a":' + b"7" * 400 + b',"s":"x\\n y"}'
    assert msgspec.json.decode(msgspec.json.encode(note))["footer"]["a"] == int("7" * 400)
    assert decode(with_footer(b"null")).footer is None


@pytest.mark.parametrize(
    ("value", "content_type", "expected"),
    [
        (b"", None, "empty"),
        (b"", JSON, "empty"),
        (b" \r\n", "text/plain", "no-text"),
        (b"\xef\xbb\xbf", "text/plain", "no-text"),
        (b"caf\xe9", "text/plain", "not-utf8"),
        (b"\xed\xa0\x80", "text/plain", "not-utf8"),
        (b'{"id":"n","text":"\xff"}', JSON, "not-utf8"),
        (b'{"id":"n","text":"x","new":"\xff"}', JSON, "not-utf8"),
        (b"\xff\xfe{\x00}\x00", None, "not-utf8"),
        (b'{"id":"n","text":', None, "json-invalid"),
        (b'{"id":"n","text":"x"} {}', None, "json-invalid"),
        (b'{"id":1, oops', JSON, "json-invalid"),
        (b"   ", JSON, "json-invalid"),
        (b'{"id":"n","text":"\\ud800"}', JSON, "json-invalid"),
        (b'{"id":"n","text":"a\nb"}', JSON, "json-invalid"),
        (with_footer(b"NaN"), JSON, "json-invalid"),
        (with_footer(b'"\\udc00"'), JSON, "json-invalid"),
        (b"[" * 100_000, JSON, "json-invalid"),
        (b"null", JSON, "schema-invalid"),
        (b'[{"id":"n","text":"x"}]', None, "schema-invalid"),
        (b'{"text":"x"}', JSON, "schema-invalid"),
        (b'{"id":7,"text":"x"}', JSON, "schema-invalid"),
        (b'{"id":" ","text":"x"}', JSON, "schema-invalid"),
        (b'{"id":"n","text":7}', JSON, "schema-invalid"),
        (b'{"id":"n","text":["x"]}', JSON, "schema-invalid"),
        (b'{"id":"n","text":"x","status":"draft"}', JSON, "schema-invalid"),
        (b'{"id":"n","text":"x","version":1.5}', JSON, "schema-invalid"),
        (b'{"id":"n","text":"x","type":"note"}', JSON, "schema-invalid"),
        (with_footer(b"1e999"), JSON, "schema-invalid"),
        (b'{"id":"n"}', JSON, "no-text"),
        (b'{"id":"n","text":null}', JSON, "no-text"),
        (b'{"id":"n","text":" \\n\\u2003"}', JSON, "no-text"),
        (b"x", "application/pdf", "unknown-format"),
        (b"x", "text/plain; charset=iso-8859-1", "unknown-format"),
        (b'{"id":"n","text":"x"}', "application/fhir+json", "unknown-format"),
    ],
)
def test_each_fault_has_its_exact_reason(value: bytes, content_type: str | None, expected: str) -> None:
    assert reason(value, content_type) == expected


@pytest.mark.parametrize(
    ("value", "content_type", "note_id"),
    [
        (b'{"id":"n","text":"x"}', None, "n"),
        (b'\xef\xbb\xbf \n{"id":"n","text":"x"}', None, "n"),
        (b'{"id":"n","text":"x"}', "application/octet-stream", "n"),
        (b'{"id":"n","text":"x"}', ' Application/JSON ; charset="UTF-8"', "n"),
        (b'{"id":"n","text":"x"}', "text/plain;charset=us-ascii", PLACE),
        (b"[1. Aspirin]", None, PLACE),
        (b"HPI: {cough}", "", PLACE),
    ],
)
def test_the_content_type_decides_else_the_first_bytes(
    value: bytes, content_type: str | None, note_id: str
) -> None:
    assert decode(value, content_type).id == note_id


def test_a_leading_byte_order_mark_is_no_text_and_all_else_is() -> None:
    assert decode(b"\xef\xbb\xbfCough").text == "Cough"
    assert decode(b'{"id":"n","text":"\\ufeffCough\\u0000"}').text == "\ufeffCough\x00"


def test_of_a_key_given_twice_the_last_counts() -> None:
    assert decode(b'{"id":"a","text":"x","id":"b","text":"y"}') == Note(id="b", text="y")


@given(st.integers(1, 2 * DEEPEST), st.sampled_from([b"[]", b"{}"]), st.text(alphabet='[]{}"\\a'))
@settings(deadline=None)
def test_depth_is_counted_outside_strings(depth: int, kind: bytes, said: str) -> None:
    opening = b"[" if kind == b"[]" else b'{"a":'
    value = opening * depth + json.dumps([said] * 9).encode() + kind[1:] * depth
    assert too_deep(value) == (depth + 1 > DEEPEST)


LARGE = {
    "deep arrays": with_footer(b"[" * 10**5 + b"]" * 10**5),
    "deep objects": with_footer(b'{"a":' * 10**5 + b"1" + b"}" * 10**5),
    "never closed": b"{" * 10**6,
    "a million keys": with_footer(b"{" + b",".join(b'"k%d":1' % n for n in range(10**6)) + b"}"),
    "a million unknown keys": b"{"
    + b"".join(b'"k%d":1,' % n for n in range(10**6))
    + b'"id":"n","text":"x"}',
    "many arrays": with_footer(b"[" + b"[]," * 333_000 + b"1]"),
    "many strings": with_footer(b"[" + b'"[",' * 250_000 + b"1]"),
    "quotes": b'{"' + b'"' * 10**6 + b"[" * 100,
    "escapes": b'{"' + b'\\"' * 500_000 + b"[" * 100,
    "large numbers": with_footer(b"[" + b"1e100," * 160_000 + b"1]"),
    "a million digits": with_footer(b"1" * 10**6),
    "one word": json.dumps({"id": "n", "text": "a" * 10**6}).encode(),
    "plain": "😀".encode() * 250_000,
}


@pytest.mark.parametrize("name", LARGE)
def test_a_megabyte_of_anything_is_decided_in_a_tenth_of_a_second(name: str) -> None:
    value = LARGE[name]
    allowed = 0.1 * max(len(value) / 1e6, 1)
    for _ in range(5):  # the fastest counts: the machine may be busy with other things
        started = time.process_time()
        with suppress(NoteError):
            decode(value)
        taken = time.process_time() - started
        if taken <= allowed:
            return
    pytest.fail(f"took {taken:.3f} s of {allowed:.3f} s")


@settings(max_examples=400, deadline=None)
@given(st.binary(), st.sampled_from([None, JSON, "text/plain", "x/y", ";;charset"]))
def test_any_bytes_give_a_note_or_a_known_reason(value: bytes, content_type: str | None) -> None:
    with suppress(NoteError):  # nothing else may be raised
        note = decode(value, content_type)
        assert note.text.strip()
        note.text.encode()


@settings(max_examples=300, deadline=None)
@given(
    st.text().filter(str.strip), st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=9)
)
def test_text_and_footer_come_through_as_they_are(text: str, footer: object) -> None:
    for ascii_only in (True, False):
        value = json.dumps({"id": "n", "text": text, "footer": footer}, ensure_ascii=ascii_only)
        note = decode(value.encode(), JSON)
        assert note.text == text
        assert (None if note.footer is None else json.loads(bytes(note.footer))) == footer


def test_no_fault_repeats_what_the_note_says() -> None:
    for value in (
        f'{{"id":"{CANARY}","text":7}}',
        f'{{"id":"n","text":"{CANARY}","status":"{CANARY}"}}',
        f'{{"id":"n","text":"{CANARY}',
        f"{CANARY}\udcff",
    ):
        with pytest.raises(NoteError) as caught:
            decode(value.encode("utf-8", "surrogateescape"))
        assert str(caught.value) == REASONS[caught.value.reason]
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
