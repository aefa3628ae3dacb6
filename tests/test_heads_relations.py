"""Which pairs are looked at: near ones that fit, each once, and so many as the spans, not their square."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.heads.relations import HEAD, candidates

SPANS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12), st.integers(1, 4)), max_size=14)
"""Window, how far behind the one before it starts, length."""


def laid(raw: list[tuple[int, int, int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    spans, windows, at = [], [], 0
    for window, gap, length in sorted(raw, key=lambda own: own[0]):
        at += gap
        spans.append((at, at + length))
        windows.append(window)
    return np.array(spans, np.int32).reshape(-1, 2), np.array(windows, np.int32)


@settings(deadline=None)
@given(SPANS, st.integers(0, 30), st.integers(1, 6))
def test_pairs_are_those_that_brute_force_finds(
    raw: list[tuple[int, int, int]], reach: int, nearest: int
) -> None:
    spans, window = laid(raw)
    found = candidates(spans, window, lambda i, j: (i + j) % 3 > 0, reach, nearest)
    expected = [
        (i, j)
        for i in range(len(spans))
        for j in range(len(spans))
        if i != j
        and window[i] == window[j]
        and abs(i - j) <= nearest
        and spans[max(i, j), 0] - spans[min(i, j), 1] <= reach
        and (i + j) % 3 > 0
    ]
    assert [tuple(pair) for pair in found.tolist()] == expected


def test_a_list_twice_as_long_has_twice_as_many_pairs() -> None:
    def pairs(count: int) -> int:
        spans = np.column_stack([np.arange(count) * 2, np.arange(count) * 2 + 1]).astype(np.int32)
        return len(candidates(spans, np.zeros(count, np.int32), lambda i, j: i >= 0, 1000, 16))

    assert pairs(2000) < 2.02 * pairs(1000)


def test_a_head_is_built_from_what_the_manifest_says() -> None:
    settings = {
        "hidden": 4, "kinds": ["A", "B", "C"], "relations": [["r", ["A"], ["B", "C"]], ["s", ["C"], ["A"]]],
        "reach": 9, "nearest": 3, "thresholds": [0.25, 0.75],
    }  # fmt: skip
    head = HEAD.build(8, settings)
    assert (head.categories, head.kinds, head.reach, head.nearest) == (("r", "s"), ("A", "B", "C"), 9, 3)
    assert np.argwhere(head.joins).tolist() == [[0, 0, 1], [0, 0, 2], [1, 2, 0]]
    assert head.thresholds.tolist() == [0.25, 0.75]
