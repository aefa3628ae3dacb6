"""The ledger: every note accounted for, once."""

import json

from hypothesis import given
from hypothesis import strategies as st

from streamer.ledger import Ledger, quantile


def record(note_id: str, cached: int = 1, passages: int = 3) -> bytes:
    return json.dumps(
        {"document": {"id": note_id}, "timings": {"cachedPassages": cached, "passages": passages}}
    ).encode()


def test_a_run_adds_up() -> None:
    ledger = Ledger()
    for _ in range(3):
        ledger.sent()
    ledger.published(record("a"), 10.0)
    ledger.published(record("b"), -5.0)
    assert not ledger.report(2.0, 100).complete
    ledger.dead_lettered("notes/0/7", "no-text")
    report = ledger.report(2.0, 100)
    assert report.complete
    assert (report.produced, report.published, report.dead_lettered) == (3, 2, 1)
    assert report.cache == {"hits": 2, "misses": 4}
    assert report.latency_ms == {"p50": 10.0, "p99": 10.0}
    assert (report.notes_per_second, report.tokens_per_second) == (1.5, 50.0)
    assert report.reasons == {"no-text": 1}


def test_a_second_record_of_a_note_is_a_duplicate_and_no_second_note() -> None:
    ledger = Ledger()
    ledger.sent()
    ledger.published(record("a"), 1.0)
    ledger.published(record("a"), 1.0)
    report = ledger.report(1.0, 0)
    assert (report.published, report.duplicates, report.complete) == (1, 1, False)


def test_a_second_dead_letter_of_a_message_is_a_duplicate() -> None:
    ledger = Ledger()
    ledger.dead_lettered("t/0/1", "empty")
    ledger.dead_lettered("t/0/1", "empty")
    assert (ledger.dead, ledger.duplicates) == (1, 1)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values(values: list[float], share: float) -> None:
    assert quantile(values, share) in [round(value, 1) for value in values]


def test_nothing_read_has_no_latency() -> None:
    assert Ledger().report(0.0, 0).latency_ms == {"p50": 0.0, "p99": 0.0}
