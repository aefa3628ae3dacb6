from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from streamer import kafka_tools
from streamer.errors import SettingError
from streamer.settings import load

HEADERS = (("content-type", b"application/json"), ("raw", b"\xff"))


def record(value: bytes | None, key: bytes | None = b"k") -> kafka_tools.Record:
    return kafka_tools.Record("clinical-annotations", 2, 7, 1_700_000_000_000, key, value, HEADERS)


def test_a_record_is_one_line_of_json_whatever_its_value() -> None:
    assert json.loads(kafka_tools.line(record(b'{\n  "id": 1,\n  "text": "a\\nb"\n}'))) == {
        "topic": "clinical-annotations",
        "partition": 2,
        "offset": 7,
        "timestamp": 1_700_000_000_000,
        "key": "k",
        "headers": {"content-type": "application/json", "raw": "base64:/w=="},
        "value": {"id": 1, "text": "a\nb"},
    }
    for value, shown in (
        (None, None),
        (b"", ""),
        (b"Chief complaint:\r\nSOB", "Chief complaint:\r\nSOB"),
        (b"\xff\xfe", "base64://4="),
        (b'{"cut":', '{"cut":'),
        (b"[" * 100_000, "[" * 100_000),
    ):
        line = kafka_tools.line(record(value, None))
        assert "\n" not in line
        assert json.loads(line)["value"] == shown


def test_a_record_shows_nothing_of_its_note_in_its_repr() -> None:
    shown = repr(record(b"Doe, Jane"))
    assert "Doe" not in shown
    assert "raw" not in shown


def test_the_moment_a_note_was_produced_is_read_from_its_header() -> None:
    assert kafka_tools.produced_at_ms({"ce_time": b"2026-01-02T03:04:05.678Z"}) == 1_767_323_045_678
    for unsaid in ({}, {"ce_time": b"yesterday"}, {"ce_time": b"\xff"}):
        assert abs(kafka_tools.produced_at_ms(unsaid) - time.time() * 1000) < 10_000


def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "notes.jsonl.gz"
    broken.write_bytes(b"not gzip")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"text" * 100)[:-9])
    for file in (tmp_path / "absent.txt", broken, tmp_path / "cut.txt.gz"):
        with pytest.raises(SettingError, match=file.name) as raised:
            list(kafka_tools.notes_of([file]))
        assert "\n" not in str(raised.value)


def test_files_become_notes_with_a_content_type_and_the_patients_key(tmp_path: Path) -> None:
    lines = (
        b'{"id":"1","text":"a","patientKey":"p1"}\r\n\n{"id":"2","text":"b"}\nnot json\n{"patientKey":5}\n'
    )
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b'{"id":"3","text":"c"}'))
    (tmp_path / "c.json").write_bytes(b'{\n"id":"4",\n"patientKey":"\xc3\xa9"}')
    (tmp_path / "d.txt").write_bytes(b"BP 120/80\n\nstable")
    files = [tmp_path / name for name in ("a.jsonl", "b.ndjson.gz", "c.json", "d.txt")]
    found = [
        (value, key, dict(headers)["content-type"]) for _, value, headers, key in kafka_tools.notes_of(files)
    ]
    note, text = b"application/json", b"text/plain"
    assert found == [
        (b'{"id":"1","text":"a","patientKey":"p1"}\r', b"p1", note),
        (b'{"id":"2","text":"b"}', None, note),
        (b"not json", None, note),
        (b'{"patientKey":5}', None, note),
        (b'{"id":"3","text":"c"}', None, note),
        (b'{\n"id":"4",\n"patientKey":"\xc3\xa9"}', "é".encode(), note),
        (b"BP 120/80\n\nstable", None, text),
    ]


def test_a_certificate_that_cannot_be_read_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    settings = load(security_protocol="SSL", ssl_cafile=tmp_path / "absent.pem")
    with pytest.raises(SettingError, match="ssl_cafile"):
        kafka_tools.create_topics(settings)
