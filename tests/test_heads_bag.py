"""A bag of word pieces: the mean of what each piece of a window weighs, in any company."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.heads.bag import MOST, Bag
from models.heads.text_classes import TextClasses


def bag() -> Bag:
    own = Bag([30, 7, 12], 2)
    with torch.no_grad():
        own.table.copy_(torch.tensor([[1.0, 0.0], [0.0, 10.0], [0.5, 0.25]]))  # of 7, 12, 30
    return own


def told(*windows: list[int]) -> torch.Tensor:
    ids = torch.tensor([piece for window in windows for piece in window], dtype=torch.int32)
    with torch.no_grad():
        means: torch.Tensor = bag()(ids, torch.tensor([len(window) for window in windows]))
    return means


def test_pieces_add_their_rows_and_others_nothing() -> None:
    assert told([7, 7, 1, 12], [30, 29], [99, 0, 8]).tolist() == [[0.5, 2.5], [0.25, 0.125], [0.0, 0.0]]


def test_few_words_are_no_surer_than_many_may_be() -> None:
    assert told([12], [12, 12]).tolist() == [[0.0, MOST], [0.0, MOST]]


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=30), min_size=1, max_size=8))
def test_a_window_weighs_the_same_in_every_company(windows: list[list[int]]) -> None:
    together = told(*windows)
    alone = torch.cat([told(window) for window in windows])
    assert torch.equal(together, alone)
    assert torch.equal(
        told(*[sorted(window) for window in windows]).round(decimals=5), alone.round(decimals=5)
    )


@pytest.mark.parametrize("pieces", [(), (3, 9)])
def test_a_class_head_has_a_bag_where_its_manifest_names_pieces(pieces: tuple[int, ...]) -> None:
    settings = {"name": "t", "labels": ["a", "b"], "independent": True, "hidden": 4, "pieces": pieces}
    head = TextClasses.build(8, settings)
    assert (head.bag is None) == (not pieces)
    assert ("bag.table" in head.state_dict()) == bool(pieces)
