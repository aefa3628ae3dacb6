"""A bag fitted by itself: words that tell a label apart weigh, those that all texts have do not."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from models.training.bagging import bag_of

COMMON = range(100, 120)
TELLING = {0: 5, 1: 900, 2: 33}


def texts(count: int = 60) -> tuple[list[Tensor], Tensor]:
    """Each of one of three labels, whose own piece stands among common ones."""
    chance = random.Random(0)
    labels = [number % 3 for number in range(count)]
    found = []
    for label in labels:
        own = [chance.choice(COMMON) for _ in range(30)] + [TELLING[label]] * chance.randint(1, 3)
        chance.shuffle(own)
        found.append(torch.tensor(own))
    return found, torch.nn.functional.one_hot(torch.tensor(labels), 3).bool()


def probabilities(
    own: list[Tensor], wanted: Tensor, independent: bool, most: int
) -> tuple[Tensor, list[int]]:
    bag, bias = bag_of(own, wanted, independent, most)
    sizes = torch.tensor([len(text) for text in own])
    with torch.no_grad():
        logits = bag(torch.cat(own).int(), sizes) + bias
    return logits.sigmoid() if independent else logits.softmax(1), bag.pieces.tolist()


@pytest.mark.parametrize("independent", [True, False])
def test_texts_are_told_apart_by_the_pieces_that_tell(independent: bool) -> None:
    own, wanted = texts()
    said, pieces = probabilities(own, wanted, independent, most=3)
    assert pieces == sorted(TELLING.values())
    assert torch.equal(said.argmax(1), wanted.int().argmax(1))
    assert said[wanted].min() > 0.6


def test_without_a_piece_that_tells_labels_are_as_likely_as_they_are_often() -> None:
    _, wanted = texts()
    plain = [torch.tensor(list(COMMON))] * 60
    rare = torch.zeros(60, 3, dtype=torch.bool)
    rare[:, 0] = wanted[:, 0]
    said, _ = probabilities(plain, rare, independent=True, most=5)
    assert said[0].tolist() == pytest.approx([1 / 3, 0, 0], abs=0.05)


def test_a_piece_that_one_text_alone_has_does_not_count() -> None:
    own, wanted = texts()
    own[0] = torch.cat([own[0], torch.tensor([7777])])
    _, pieces = probabilities(own, wanted, independent=True, most=1000)
    assert 7777 not in pieces
    assert set(TELLING.values()) <= set(pieces)
