"""Dead letters are read back whole, chosen by reason and time, and their notes leave as they came."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import dead_letter_view, topics
from streamer.dead_letters import (
    ADDED,
    ATTEMPTS_HEADER,
    PLACE_HEADER,
    REMEDIES,
    UNKNOWN_REMEDY,
    Choice,
    DeadLetter,
    Place,
    chosen,
    moment,
    read,
    remedy,
    returned,
)
from streamer.errors import REASONS, NoteError, SettingError
from streamer.topics import Headers, Incoming, Outgoing

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NAMES = st.sampled_from([*sorted(ADDED), ATTEMPTS_HEADER, "content-type", "x", "streamer-lane", "ünïcode"])
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=8).map(tuple)
BYTES = st.none() | st.binary(max_size=30)


def incoming(value: bytes | None = b"text", headers: Headers = (), key: bytes | None = b"k") -> Incoming:
    return Incoming("notes", 3, 41, 1_700_000_000_123, key, value, headers)


def lying(out: Outgoing, offset: int = 7, at: int = 1_764_072_000_000) -> Incoming:
    """The record that a dead letter is on its topic."""
    assert out.partition is not None
    return Incoming(out.topic, out.partition, offset, at, out.key, out.value, out.headers)


def letter(note: Incoming, reason: str = "model-non-finite", at: int = 1_764_072_000_000) -> DeadLetter:
    found = read(lying(topics.dead_letter(note, "dlt", NoteError(reason, stage="engine")), at=at))
    assert found is not None
    return found


def test_what_the_service_writes_is_read_back() -> None:
    own = letter(incoming())
    assert (str(own.place), str(own.origin)) == ("dlt/3/7", "notes/3/41")
    assert (own.reason, own.stage, own.attempts, own.version) == (
        "model-non-finite",
        "engine",
        1,
        topics.VERSION,
    )
    assert (own.key, own.value, own.by_reference) == (b"k", b"text", False)


@given(headers=HEADERS, key=BYTES, value=st.binary(min_size=1, max_size=30))
def test_a_note_goes_back_as_it_came_whatever_its_headers_are_called(
    headers: Headers, key: bytes | None, value: bytes
) -> None:
    out = returned(letter(incoming(value, headers, key)))
    theirs = tuple(header for header in headers if header[0] != ATTEMPTS_HEADER)
    assert (out.topic, out.partition, out.key, out.value) == ("notes", 3, key, value)
    assert out.headers[: len(theirs)] == theirs
    assert [name for name, _ in out.headers[len(theirs) :]] == [PLACE_HEADER, ATTEMPTS_HEADER]


@given(st.integers(1, 6), HEADERS)
def test_its_first_place_stays_and_its_attempts_count_up(times: int, headers: Headers) -> None:
    headers = tuple(header for header in headers if header[0] != ATTEMPTS_HEADER)
    note = incoming(headers=headers)
    for attempt in range(1, times + 1):
        own = letter(note)
        assert own.attempts == attempt
        out = returned(own)
        note = Incoming(out.topic, 3, 100 + attempt, -1, out.key, out.value, out.headers)
    assert [value for name, value in note.headers if name == PLACE_HEADER] == [b"notes/3/41"]
    assert [value for name, value in note.headers if name == ATTEMPTS_HEADER] == [b"%d" % (times + 1)]


def test_of_a_reference_the_note_itself_goes_back() -> None:
    note = incoming(b"x" * 100, (("x", b"1"), (PLACE_HEADER, b"notes/3/2"), (ATTEMPTS_HEADER, b"3")))
    own = letter(note, "too-large")
    assert (own.value, own.by_reference, own.producers) == (None, True, ())
    out = returned(own, note)
    assert (out.key, out.value, out.partition) == (b"k", b"x" * 100, 3)
    assert out.headers == (("x", b"1"), (PLACE_HEADER, b"notes/3/2"), (ATTEMPTS_HEADER, b"4"))


def test_an_empty_note_is_no_reference() -> None:
    own = letter(incoming(b""), "empty")
    assert not own.by_reference
    assert returned(own).value == b""


@given(HEADERS, BYTES, BYTES)
def test_any_record_is_a_dead_letter_of_ours_or_not(
    headers: Headers, key: bytes | None, value: bytes | None
) -> None:
    own = read(Incoming("dlt", 0, 1, -1, key, value, headers))
    if own is not None:
        assert {"streamer-reason", "__connect.errors.topic"} <= {name for name, _ in headers}
        assert str(own.origin).isascii()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("__connect.errors.topic", b"Doe, Jane"),
        ("__connect.errors.partition", b"-1"),
        ("__connect.errors.offset", b"9" * 20),
        ("streamer-reason", b"Doe Jane"),
        ("streamer-reason", None),
    ],
)
def test_headers_that_are_not_ours_are_not_believed(name: str, value: bytes | None) -> None:
    record = lying(topics.dead_letter(incoming(), "dlt", NoteError("no-text")))
    headers = tuple((own, value if own == name else content) for own, content in record.headers)
    assert read(replace(record, headers=headers)) is None  # type: ignore[arg-type]


def test_a_dead_letter_shows_nothing_of_its_note_in_its_repr() -> None:
    assert "Doe" not in repr(letter(incoming(b"Doe", (("Doe", b"Doe"),), b"Doe")))


# --- reasons -------------------------------------------------------------------------------------


def test_every_reason_has_something_to_do_about_it() -> None:
    assert REASONS.keys() == REMEDIES.keys()
    assert all(remedy(reason).endswith(".") for reason in REASONS)
    assert remedy("fhir-version") not in (UNKNOWN_REMEDY, "")
    assert remedy("of-another-version") == UNKNOWN_REMEDY


# --- which of them -------------------------------------------------------------------------------


def test_reasons_places_and_times_choose() -> None:
    own = letter(incoming(), at=1_000_000)
    assert Choice().has(own)
    assert Choice(frozenset({"model-non-finite"})).has(own)
    assert not Choice(frozenset({"empty"})).has(own)
    assert Choice(places=frozenset({own.place})).has(own)
    assert not Choice(places=frozenset({own.origin})).has(own)
    assert Choice(since=1_000_000, until=1_000_001).has(own)
    assert not Choice(until=1_000_000).has(own)
    assert not Choice(since=1_000_001).has(own)
    assert not Choice(since=0).has(replace(own, at=-1))
    assert not Choice(until=5).has(replace(own, at=-1))


def test_times_are_said_as_dates_or_as_how_long_ago() -> None:
    def ms(*, hours: float) -> int:
        return round((NOW - timedelta(hours=hours)).timestamp() * 1000)

    for text, hours in (
        ("2026-11-25T12:00", 0),
        ("2026-11-25", 12),
        ("2026-11-25T12:00+02:00", 2),
        ("6h", 6),
        ("90m", 1.5),
        ("7d", 168),
        ("30s", 1 / 120),
    ):
        assert moment("--since", text, NOW) == ms(hours=hours), text


@pytest.mark.parametrize("text", ["yesterday", "6", "h", "-6h", "999999d", "2026-13-01", "", "٣h"])
def test_a_time_that_means_nothing_is_said_in_one_line(text: str) -> None:
    with pytest.raises(SettingError, match=r"--until takes a time such as") as raised:
        moment("--until", text, NOW)
    assert "\n" not in str(raised.value)


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(SettingError, match=r"no such reason: to-large; the reasons are empty, "):
        chosen(["to-large"])
    with pytest.raises(SettingError, match="nothing lies between"):
        chosen(since="1h", until="2h")
    with pytest.raises(SettingError, match="topic/partition/offset"):
        chosen(places=["dlt/3"])
    assert chosen(["fhir-version"], places=["dlt/3/7"]) == Choice(
        frozenset({"fhir-version"}), frozenset({Place("dlt", 3, 7)})
    )


@pytest.mark.parametrize("at", [-(2**63), -1, 253_402_300_800_000, 2**63 - 1])
def test_a_time_beyond_the_calendar_is_unknown(at: int) -> None:
    found = dead_letter_view.listed(letter(incoming(), at=at), sent_back=False)
    assert dead_letter_view.summary("dlt", [found], 0)["places"][0]["at"] == "unknown"
    assert dead_letter_view.when(253_402_300_799_999) == "9999-12-31T23:59:59Z"
