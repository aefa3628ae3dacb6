"""When a worker has got nowhere for too long, and when it is ended from outside its event loop."""

from __future__ import annotations

import logging

import pytest

from streamer.watchdog import LOOK_S, Progress, Starved, Watchdog


class Ended(Exception):
    """In place of the end of the process."""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def watchdog(clock: Clock, most_s: float = 60.0) -> Watchdog:
    def end(code: int) -> None:
        raise Ended(code)

    return Watchdog(most_s, end, clock)


def test_a_loop_that_beats_is_left_alone(clock: Clock) -> None:
    own = watchdog(clock, most_s=1.0)
    for _ in range(100):
        own.look()
        own.beat()
    assert own.silent_s == 0


def test_a_loop_that_stands_still_ends_the_process_and_says_so(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    own = watchdog(clock, most_s=10 * LOOK_S)
    for _ in range(10):
        own.look()
    with pytest.raises(Ended, match="1"), caplog.at_level(logging.ERROR):
        own.look()
    assert "event loop of this worker stands still" in caplog.text


def test_time_in_which_the_whole_process_was_frozen_does_not_count(clock: Clock) -> None:
    own = watchdog(clock)
    own.look()
    clock.now += 3600
    own.look()
    assert own.silent_s == 2 * LOOK_S


def test_who_does_not_leave_in_time_is_ended_with_a_code_that_shows_it(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    own = watchdog(clock)
    own.leave(8.0)
    clock.now += 5.0
    own.leave(8.0)  # told again: that is no new time
    own.look()
    clock.now += 3.1
    with pytest.raises(Ended, match="1"), caplog.at_level(logging.ERROR):
        own.look()
    assert "took too long to leave" in caplog.text


def test_who_has_nothing_more_to_lose_is_ended_in_silence(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    own = watchdog(clock)
    own.leave(8.0)
    own.exit_code = 0
    clock.now += 9
    with pytest.raises(Ended, match="0"):
        own.look()
    assert not caplog.text


def test_a_worker_is_waited_for_from_the_last_note_that_it_finished() -> None:
    own = Progress(0.0)
    assert own.waited_s(50.0, 1, begun=45.0, able=True) == 5.0
    assert own.waited_s(60.0, 1, begun=None, able=True) == 10.0
    assert own.waited_s(70.0, 2, begun=None, able=True) == 0.0


def test_one_note_that_never_ends_shows_though_others_pass_it() -> None:
    own = Progress(0.0)
    waited = [
        own.waited_s(float(now), done, begun=1.0, able=True) for now, done in ((10, 1), (20, 2), (30, 3))
    ]
    assert waited == [9.0, 19.0, 29.0]


def test_time_without_an_engine_does_not_count() -> None:
    own = Progress(0.0)
    assert own.waited_s(100.0, 1, begun=0.0, able=False) == 0.0
    assert own.waited_s(130.0, 1, begun=0.0, able=True) == 30.0


def test_a_partition_starves_from_when_there_is_more_until_its_place_moves() -> None:
    own = Starved()
    own.look(10.0, {"a": 5, "b": 0}, {"a": 5, "b": 0})
    assert own.for_s(99.0) == 0
    own.look(20.0, {"a": 5, "b": 0}, {"a": 6, "b": 0})
    own.look(30.0, {"a": 5, "b": 3}, {"a": 9, "b": 4})
    assert own.for_s(30.0) == 10
    own.look(40.0, {"a": 6, "b": 3}, {"a": 9, "b": 4})
    assert own.for_s(40.0) == 10  # b, since 30
    own.look(50.0, {"b": 3}, {"a": 9, "b": 3})  # of which a was taken away
    assert own.for_s(50.0) == 0


def test_what_is_not_asked_for_starves_nobody() -> None:
    own = Starved()
    own.look(10.0, {"a": 5}, {"a": 6})
    own.forget()
    assert own.for_s(99.0) == 0
