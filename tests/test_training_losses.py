"""What a batch costs, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.scheme import CATEGORIES
from models.heads.assertion import SIZES, Assertion
from models.heads.entities import Entities
from models.heads.relations import Relations
from models.heads.text_classes import TextClasses
from models.training.batch import Paired
from models.training.losses import (
    PAIRS_A_SPAN,
    TOKENS_A_SPAN,
    assertion_loss,
    class_loss,
    grouped_logsumexp,
    marginal,
    marginal_loss,
    relation_losses,
)
from tests.learned import NAMES


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=5, max_size=5).filter(any))
def test_the_marginal_is_the_summed_probability(seed: int, allowed: list[bool]) -> None:
    logits = torch.randn(1, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3
    weights = torch.exp(logits[0]).tolist()
    share = sum(w for w, open_ in zip(weights, allowed, strict=True) if open_) / sum(weights)
    loss = marginal(logits, torch.tensor([allowed]))
    assert loss.item() == pytest.approx(-np.log(share), abs=1e-9)


def test_what_is_wholly_open_teaches_nothing() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    loss = marginal(logits, torch.ones(3, 4, dtype=torch.bool)).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_spans_cost_what_labelled_tokens_do_a_token_of_the_batch() -> None:
    torch.manual_seed(0)
    head, hidden = Entities(4, CATEGORIES), torch.randn(5, 4)
    table = torch.zeros(2, len(NAMES), dtype=torch.bool)
    table[0, 0] = table[1, 1:3] = True
    tags = torch.tensor([-1, 0, 1, 0, -1])
    probability = head.project(hidden).softmax(1)
    expected = -(probability[1, 0].log() + probability[2, 1:3].sum().log() + probability[3, 0].log()) / 5
    assert marginal_loss(head, hidden, tags, table).item() == pytest.approx(expected.item(), rel=1e-5)
    assert marginal_loss(head, hidden, torch.full((5,), -1), table).item() == 0


def test_assertion_sums_axes_over_what_is_left_open() -> None:
    torch.manual_seed(0)
    head, hidden = Assertion(4, 6), torch.randn(7, 4)
    values = torch.zeros(1, sum(SIZES), dtype=torch.bool)
    values[0, [0, 1, 5, 8, 9, 10]] = True  # two of certainty, one of conditionality, all of association …
    loss = assertion_loss(head, hidden, torch.tensor([[2, 5]]), values)
    parts = torch.split(head.judge(head.project(hidden)[2:5].mean(0, keepdim=True)), list(SIZES), 1)
    certainty, conditionality, _, temporality = (part.softmax(1)[0] for part in parts)
    expected = -(certainty[:2].sum().log() + conditionality[0].log() + temporality[0].log())
    assert loss.item() == pytest.approx(expected.item() * TOKENS_A_SPAN / 7, rel=1e-4)
    assert assertion_loss(head, hidden, torch.zeros(0, 2, dtype=torch.long), values[:0]).item() == 0


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(0, 99))
def test_grouped_logsumexp_is_that_of_each_group(groups: list[int], seed: int) -> None:
    names = sorted(set(groups))
    which = torch.tensor([names.index(group) for group in groups])
    values = torch.randn(len(groups), generator=torch.Generator().manual_seed(seed)) * 20
    expected = [values[which == n].logsumexp(0).item() for n in range(len(names))]
    assert grouped_logsumexp(values, which, len(names)).tolist() == pytest.approx(
        expected, rel=1e-5, abs=1e-5
    )


def relations() -> tuple[Relations, torch.Tensor, Paired]:
    torch.manual_seed(0)
    head = Relations(4, 6, ("r", "s"), ("A", "B"), np.ones((2, 2, 2), np.bool_))
    paired = Paired(
        spans=np.array([[0, 2], [3, 4], [5, 7]], np.int32),
        kinds=np.array([0, 1, 0], np.int32),
        pairs=np.array([[0, 1], [1, 0], [2, 1]]),
        wanted=torch.tensor([[True, False], [False, False], [False, True]]),
        known=torch.tensor([[True, False], [True, True], [False, False]]),
        groups=torch.tensor([0, -1, 0]),
        whole=torch.tensor([True]),
        relation=torch.tensor([1]),
    )
    return head, torch.randn(9, 4), paired


def test_relations_cost_what_known_pairs_do_and_documents_what_any_of_their_pairs_says() -> None:
    head, hidden, paired = relations()
    logits = head.judge(head.project(hidden), paired.spans, paired.kinds, paired.pairs)
    losses = relation_losses(head, hidden, paired)
    known = -(logits[0, 0].sigmoid().log() + (1 - logits[1].sigmoid()).log().sum())
    assert losses["relations"].item() == pytest.approx(
        known.item() * TOKENS_A_SPAN / PAIRS_A_SPAN / 9, rel=1e-4
    )
    whole = -torch.logsumexp(logits[[0, 2], 1], 0).sigmoid().log()
    assert losses["documents"].item() == pytest.approx(whole.item() * TOKENS_A_SPAN / 9, rel=1e-4)
    assert {name: loss.item() for name, loss in relation_losses(head, hidden, None).items()} == {
        "relations": 0, "documents": 0
    }  # fmt: skip


@pytest.mark.parametrize("independent", [True, False])
def test_a_text_in_several_windows_is_classified_by_their_mean(independent: bool) -> None:
    torch.manual_seed(0)
    head = TextClasses(2, "t", "abc", independent, 5)
    pooled, sizes, bundle = torch.randn(3, 4), torch.tensor([10, 30, 24]), torch.tensor([0, 1, 0])
    wanted = torch.tensor([[False, True, False], [True, False, False]])
    loss = class_loss(head, pooled, sizes, bundle, wanted, torch.tensor([True, False]))
    logits = head.project(pooled)
    mean = (10 * logits[0] + 24 * logits[2]) / 34
    if independent:
        probability = mean.sigmoid()
        expected = -(probability[1].log() + (1 - probability[[0, 2]]).log().sum())
    else:
        expected = -mean.softmax(0)[1].log()
    assert loss.item() == pytest.approx(expected.item() * TOKENS_A_SPAN / 64, rel=1e-4)
    assert class_loss(head, pooled, sizes, bundle, wanted, torch.tensor([False, False])).item() == 0
