"""Speed in the steady state: neither the first batch of a reader counts, nor who ends first."""

from __future__ import annotations

import threading

import pytest

from models.bench.steady import Batch, Meter, fill, rate


def test_each_reader_counts_from_the_end_of_its_first_batch() -> None:
    batches = [
        Batch(reader=1, ended=10.0, seconds=9.0, tokens=1000, budget=1024),
        Batch(reader=2, ended=10.5, seconds=9.0, tokens=10, budget=1024),
        Batch(reader=1, ended=11.0, seconds=1.0, tokens=1000, budget=1024),
        Batch(reader=2, ended=12.5, seconds=2.0, tokens=500, budget=1024),
        Batch(reader=1, ended=12.0, seconds=1.0, tokens=1000, budget=1024),
    ]
    assert rate(batches) == pytest.approx(1000 + 250)


def test_a_reader_with_one_batch_tells_nothing() -> None:
    assert rate([Batch(1, 10.0, 1.0, 1000, 1024)]) == 0
    assert fill([Batch(1, 10.0, 1.0, 1000, 1024)]) == {}


def test_fill_and_busy_share() -> None:
    found = fill([Batch(1, 0.0, 1.0, 5, 100), Batch(1, 2.0, 1.0, 90, 100), Batch(1, 4.0, 2.0, 70, 100)])
    assert found["batch_fill"] == pytest.approx(0.8)
    assert found["busy"] == pytest.approx(0.75)
    assert found["batch_seconds"] == pytest.approx(1.5)


def test_the_meter_knows_readers_apart() -> None:
    meter = Meter()
    other = threading.Thread(target=meter.batch, args=(7, 10, 1, 0.5))
    other.start()
    other.join()
    assert not meter.each(2, 1)
    meter.batch(8, 10, 1, 0.5)
    assert meter.each(2, 1)
    assert not meter.each(2, 2)
    assert {batch.tokens for batch in meter.batches} == {7, 8}
    meter.clear()
    assert meter.batches == []
