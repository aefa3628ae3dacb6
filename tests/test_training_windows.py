"""Passages cover a document once, bundles stay together, batches keep to their size."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training import windows
from models.training.examples import Example


def example(tokens: int, cuts: tuple[int, ...], **more: object) -> Example:
    return Example("c", np.zeros(tokens, np.int32), np.zeros(tokens, np.uint8), {}, (), None, cuts, **more)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(4, 30), st.integers(0, 9))
def test_passages_cover_a_document_once(sentences: int, limit: int, seed: int) -> None:
    sizes = [random.Random(seed + n).randint(1, 12) for n in range(sentences)]
    cuts = tuple(np.cumsum([0, *sizes]).tolist())
    found = windows.passages(example(cuts[-1], cuts), limit, random.Random(seed))
    assert [w.start for w in found] == [0, *(w.stop for w in found[:-1])]
    assert found[-1].stop == cuts[-1]
    assert all(0 < w.stop - w.start <= limit for w in found)


@settings(deadline=None)
@given(st.integers(1, 2000), st.integers(5, 600), st.integers(0, 9))
def test_a_document_seen_whole_is_cut_only_where_it_is_too_long(tokens: int, longest: int, seed: int) -> None:
    found = windows.bundles(example(tokens, (0, tokens)), 4, longest, 1.0, random.Random(seed))
    assert sum(bundle[0].stop - bundle[0].start for bundle in found) == tokens
    assert len(found) == -(-tokens // longest)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 9))
def test_passages_of_a_text_with_classes_stay_together(sentences: int, seed: int) -> None:
    own = example(
        9 * sentences, tuple(range(0, 9 * sentences + 1, 9)), classes={"kind": np.ones(2, np.bool_)}
    )
    (bundle,) = windows.bundles(own, 30, 100, 0.0, random.Random(seed))
    assert 1 <= len(bundle) <= windows.TOGETHER
    assert len({(w.start, w.stop) for w in bundle}) == len(bundle)
    assert sum(map(len, bundle)) <= windows.BUNDLE_TOKENS


def test_nothing_comes_of_an_empty_document() -> None:
    assert windows.bundles(example(0, (0,)), 30, 100, 0.5, random.Random(0)) == []


def test_batches_hold_every_bundle_once_within_the_budget() -> None:
    own = example(30, (0, 30))
    bundles = [(windows.Window(own, n, n + 1 + n % 7),) * (1 + n % 3) for n in range(20)]
    drawn = windows.batches(bundles, 30, random.Random(3))
    assert sorted(map(id, (bundle for batch in drawn for bundle in batch))) == sorted(map(id, bundles))
    assert all(len(batch) == 1 or sum(len(w) for b in batch for w in b) <= 30 for batch in drawn)
