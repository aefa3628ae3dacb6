"""The demo's own arithmetic: what it sends, and the pace it keeps."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from streamer import demo, samples
from streamer.ledger import Ledger


def test_every_note_of_a_long_demo_has_an_id_of_its_own() -> None:
    values = [value for value, _ in islice(demo._messages(900), 900) if value not in demo.BROKEN]
    ids = [json.loads(value)["id"] for value in values]
    assert len(set(ids)) == len(ids) == 900 - len(demo.BROKEN)


def test_a_patients_notes_share_a_key() -> None:
    keys = {key for value, key in demo._messages(samples.COUNT) if value not in demo.BROKEN}
    patients = {str(note["patientKey"]).encode() for note in samples.load()}
    assert keys <= patients


def test_a_short_demo_has_no_broken_messages() -> None:
    assert not {value for value, _ in demo._messages(20)} & set(demo.BROKEN)


@pytest.mark.parametrize(("open_notes", "quicker"), [(0, True), (8, None), (40, False)])
def test_the_pace_follows_what_the_service_keeps_up_with(open_notes: int, quicker: bool | None) -> None:
    ledger = Ledger()
    for _ in range(open_notes):
        ledger.sent()
    factor = demo.correction(ledger)
    assert (factor < 1, factor == 1) == (quicker is True, quicker is None)
