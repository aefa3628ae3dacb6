"""Records out: keys, CloudEvents headers, dead letters."""

from hypothesis import given
from hypothesis import strategies as st

from streamer import topics
from streamer.errors import REASONS, NoteError
from streamer.topics import Incoming


def incoming(**changes: object) -> Incoming:
    fields: dict[str, object] = {
        "topic": "notes",
        "partition": 3,
        "offset": 41,
        "timestamp": 1_700_000_000_123,
        "key": b"patient",
        "value": b"text",
        "headers": (("traceparent", b"00-aa-bb-01"), ("Content-Type", b"text/plain")),
    }
    return Incoming(**(fields | changes))  # type: ignore[arg-type]


def test_a_record_keeps_the_key_and_the_producers_headers() -> None:
    out = topics.annotation(incoming(), "annotations", b"{}", "r1")
    headers = dict(out.headers)
    assert (out.topic, out.key, out.value, out.partition) == ("annotations", b"patient", b"{}", None)
    assert headers["traceparent"] == b"00-aa-bb-01"
    assert headers["content-type"] == b"application/json"
    assert "Content-Type" not in headers
    assert headers["ce_id"] == b"r1"
    assert headers["ce_time"] == b"2023-11-14T22:13:20.123Z"


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_timestamp_gives_a_record(timestamp: int) -> None:
    headers = dict(topics.annotation(incoming(timestamp=timestamp), "t", b"{}", "r").headers)
    assert ("ce_time" in headers) == (0 <= timestamp < topics.LAST_MOMENT)


def test_a_dead_letter_carries_the_message_and_says_where_from_and_why() -> None:
    out = topics.dead_letter(incoming(), "dlt", NoteError("no-text"))
    headers = dict(out.headers)
    assert (out.topic, out.partition, out.key, out.value) == ("dlt", 3, b"patient", b"text")
    assert headers["__connect.errors.topic"] == b"notes"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"41"
    assert headers["__connect.errors.exception.message"] == REASONS["no-text"].encode()
    assert headers["streamer-reason"] == b"no-text"
    assert headers["traceparent"] == b"00-aa-bb-01"


def test_a_message_that_is_too_large_is_named_not_carried() -> None:
    out = topics.dead_letter(incoming(value=b"x" * 100), "dlt", NoteError("too-large"))
    assert out.value is None
    assert dict(out.headers)["__connect.errors.offset"] == b"41"
    assert "traceparent" not in dict(out.headers)


def test_a_tombstone_passes_through() -> None:
    out = topics.tombstone(incoming(value=None), "annotations")
    assert (out.key, out.value, out.reason) == (b"patient", None, None)


def test_the_last_header_of_a_name_counts_and_names_ignore_case() -> None:
    record = incoming(headers=(("A", b"1"), ("a", b"2")))
    assert record.header("a") == b"2"
    assert record.header("b") is None


def test_repr_shows_no_content() -> None:
    record = incoming(key=b"Jane", value=b"Jane Doe", headers=(("h", b"Jane"),))
    assert "Jane" not in repr(record) + repr(topics.annotation(record, "t", b"Jane", "r"))
