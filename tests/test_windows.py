from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from models.windows import cut


@given(tokens=st.integers(0, 700), limit=st.integers(1, 80), overlap=st.integers(0, 79))
@example(tokens=510, limit=510, overlap=128)
@example(tokens=511, limit=510, overlap=128)
@example(tokens=512, limit=510, overlap=128)
def test_every_token_is_owned_once_by_its_most_central_window(tokens: int, limit: int, overlap: int) -> None:
    overlap = min(overlap, limit - 1)
    windows = cut(tokens, limit, overlap)

    owned = [t for w in windows for t in range(w.own_start, w.own_stop)]
    assert owned == list(range(tokens))
    for window in windows:
        assert 0 < window.stop - window.start <= limit
        assert window.start <= window.own_start <= window.own_stop <= window.stop
    for a, b in pairwise(windows):
        assert a.stop - b.start >= overlap
    # brute force: no other window gives an owned token a wider margin on its poorer side
    for window in windows:
        for t in range(window.own_start, window.own_stop):
            margins = [min(t - w.start, w.stop - 1 - t) for w in windows if w.start <= t < w.stop]
            first, last = t < windows[0].stop, t >= windows[-1].start
            if not first and not last:
                assert min(t - window.start, window.stop - 1 - t) == max(margins)


def test_a_long_passage_needs_windows_in_proportion() -> None:
    assert len(cut(10**6, 254, 64)) == -(-(10**6 - 254) // 190) + 1
