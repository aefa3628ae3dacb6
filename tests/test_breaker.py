from __future__ import annotations

from streamer.breaker import FIRST_PAUSE, LAST_PAUSE, Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_between_probes_double_up_to_a_limit_and_shrink_only_after_real_work() -> None:
    clock, changes = Clock(), list[bool]()
    breaker = Breaker(changes.append, clock)
    assert breaker.seconds_to_probe() is None
    expected = FIRST_PAUSE
    for _ in range(10):
        breaker.open()
        pause = breaker.seconds_to_probe()
        assert pause is not None
        assert 0.79 * expected < pause < 1.21 * expected
        expected = min(expected * 2, LAST_PAUSE)
        clock.now += pause + 1
        assert breaker.seconds_to_probe() == 0.0
    breaker.close()
    assert not breaker.is_open
    breaker.open()
    assert (breaker.seconds_to_probe() or 0) > LAST_PAUSE * 0.79  # a probe alone proves little
    breaker.close()
    breaker.served()
    breaker.open()
    assert (breaker.seconds_to_probe() or 0) < FIRST_PAUSE * 1.21
    assert changes == [False, True, False, True, False, True]
