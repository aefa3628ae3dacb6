"""What is no number, or never comes, is the fault of its passage alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.heads.assertion import Assertion
from models.heads.entities import Entities
from models.heads.relations import Relations
from models.requests import Long
from tests.engines import same
from tests.worlds import CATEGORIES, WIDTH, WORLDS, Text, World, relations, text, words


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("token", [0, 1, 20, 30, 31])
def test_one_number_that_is_none_is_the_fault_of_its_passage_alone(value: float, token: int) -> None:
    """[CLS] and [SEP] are numbers 0 and 31: what is wrong there is wrong with the passage too."""
    texts = [text(n) for n in (7, 30, 0, 30, 1)]
    expected = words.read(texts)
    texts[1].hidden[token, 3] = value
    answers = words.read(texts)
    assert [answer.status for answer in answers] == ["ok", "model-non-finite", "ok", "ok", "ok"]
    assert not len(answers[1].spans)
    assert all(same(a, b) for a, b in zip(answers, expected, strict=True) if a.status == "ok")


def test_one_logit_that_is_none_is_enough() -> None:
    batch = words.batch([text(9), text(9, 1), text(9, 2)])
    batch.spans[0].numpy()[15, 4] = -np.inf
    answers = words.reading.batch(batch).answers
    assert [answer.status for answer in answers] == ["ok", "model-non-finite", "ok"]


def test_an_assertion_that_is_no_number_is_caught() -> None:
    class Sick(Assertion):
        def judge(self, means: Tensor) -> Tensor:
            return super().judge(means) * torch.inf

    world = World(Entities(WIDTH, CATEGORIES), assertion=Sick(WIDTH, 8))
    texts = [text(60), text(0), text(60, 1)]
    assert [len(a.spans) > 0 for a in words.read(texts)] == [True, False, True]
    statuses = [answer.status for answer in world.read(texts)]
    assert statuses == ["model-non-finite", "ok", "model-non-finite"]


def test_classes_that_are_no_numbers_are_caught() -> None:
    world = WORLDS["classes alone"]
    texts = [text(3), text(4), text(5)]
    texts[1].hidden[0, 0] = np.nan
    answers = world.reading.batch(world.batch(texts))
    assert [answer.status for answer in answers.answers] == ["ok", "model-non-finite", "ok"]
    assert np.isfinite(answers.classes).all()


def test_a_long_passage_without_all_its_windows_or_numbers_is_a_fault() -> None:
    whole = text(20)
    for missing, status in ((0, "device-out-of-memory"), (None, "model-non-finite")):
        long = Long((whole.ids, whole.ids.astype(np.uint8)), 12, 4)
        for index, window in enumerate(long.windows):
            part = Text(
                whole.ids[window.start : window.stop], whole.hidden[window.start : window.stop + 2].copy()
            )
            part.hidden[7] = np.nan
            rows = words.reading.rows(words.batch([part]), 0, long, index)
            long.lay(index, None if index == missing else rows)
        assert [answer.status for answer in words.reading.whole(long).answers] == [status]


def test_a_relation_that_is_no_number_is_caught() -> None:
    class Sick(Relations):
        def judge(self, *args: Any) -> Tensor:
            return super().judge(*args) * torch.nan

    head = relations("ABCD", (0.0, 0.0))
    sick = Sick(WIDTH, 8, head.categories, head.kinds, head.joins, 20, 3, (0.0, 0.0))
    world = World(Entities(WIDTH, "ABCD"), relations=sick)
    answers = world.read([text(60), text(0), text(60, 1)])
    assert [answer.status for answer in answers] == ["model-non-finite", "ok", "model-non-finite"]
    assert not any(len(answer.pairs) for answer in answers)
