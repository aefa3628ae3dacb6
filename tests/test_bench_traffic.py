"""The load on a node: every answer waited for, delays counted from when a note was due."""

from __future__ import annotations

import pytest

from streamer.bench_notes import BenchNote
from streamer.bench_traffic import PATIENCE_S, Traffic
from streamer.errors import WorldError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeTopic:
    """Answers each note `delay` seconds after it was put; waiting moves the clock."""

    def __init__(self, clock: Clock, delay: float, lost: frozenset[str] = frozenset()) -> None:
        self._clock, self._delay, self._lost = clock, delay, lost
        self._due: list[tuple[float, str]] = []
        self.put_at: list[float] = []
        self.sending_takes = 0.0

    def put(self, note: BenchNote) -> None:
        self._clock.now += self.sending_takes
        self.put_at.append(self._clock.now)
        if note.id not in self._lost:
            self._due.append((self._clock.now + self._delay, note.id))

    def flush(self) -> None: ...

    def answered(self, within_ms: int) -> list[str]:
        until = self._clock.now + within_ms / 1000
        first = min((due for due, _ in self._due), default=until)
        self._clock.now = max(self._clock.now, min(first, until))
        came = [number for due, number in self._due if due <= self._clock.now]
        self._due = [(due, number) for due, number in self._due if number not in came]
        return came


def notes(count: int) -> list[BenchNote]:
    return [BenchNote(f"n{number}", "text") for number in range(count)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_flood_lasts_until_the_last_record_is_read(clock: Clock) -> None:
    topic = FakeTopic(clock, delay=3.0)
    topic.sending_takes = 0.5
    assert Traffic(topic, clock=clock).flood(notes(4)) == pytest.approx(4 * 0.5 + 3.0)


def test_latency_is_the_time_from_topic_to_topic(clock: Clock) -> None:
    latencies = Traffic(FakeTopic(clock, delay=0.25), clock=clock).offer(notes(50), per_second=20)
    assert len(latencies) == 50
    assert all(250 <= latency < 253 for latency in latencies)


def test_notes_are_offered_at_the_rate_whatever_comes_back(clock: Clock) -> None:
    topic = FakeTopic(clock, delay=60.0)
    Traffic(topic, clock=clock).offer(notes(400), per_second=20)
    assert topic.put_at[-1] - topic.put_at[0] == pytest.approx(20, rel=0.2)


def test_the_delay_of_a_late_sender_counts(clock: Clock) -> None:
    topic = FakeTopic(clock, delay=0.0)
    topic.sending_takes = 1.0
    latencies = Traffic(topic, clock=clock).offer(notes(10), per_second=1000)
    assert max(latencies) > 5000


def test_a_standstill_is_an_error(clock: Clock) -> None:
    traffic = Traffic(FakeTopic(clock, 1.0, lost=frozenset(["n1"])), clock=clock)
    begun = clock.now
    with pytest.raises(WorldError, match="stands still"):
        traffic.flood(notes(3))
    assert clock.now - begun == pytest.approx(PATIENCE_S + 1, abs=1)
    with pytest.raises(WorldError, match="stands still"):
        traffic.offer(notes(3), per_second=5)


def test_a_node_that_ended_is_an_error_at_once(clock: Clock) -> None:
    begun = clock.now
    with pytest.raises(WorldError, match="ended in the middle"):
        Traffic(FakeTopic(clock, 50.0), alive=lambda: False, clock=clock).flood(notes(1))
    assert clock.now - begun < 1
