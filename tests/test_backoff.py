"""Pauses grow, are bounded, and differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(0.5, 5.0, chance=lambda: 1.0)
    assert [backoff.pause() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.pause() == 0.5


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=30))
def test_chance_shortens_a_pause_by_half_at_most(chances: list[float]) -> None:
    left = iter(chances)
    backoff = Backoff(0.1, 3.0, chance=lambda: next(left))
    for number in range(len(chances)):
        whole = min(0.1 * 2**number, 3.0)
        assert whole / 2 <= backoff.pause() <= whole
