"""Partial labels: the loss against brute force, and which tags a label leaves open."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoint import open_checkpoint
from models.features import FeatureDictionary
from models.heads.assertion import SIZES, Assertion
from models.heads.entities import Entities
from models.training import examples
from models.training.losses import assertion_loss, entities_loss, marginal
from models.corpora.scheme import ANYTHING, CATEGORIES, MEDICATION, PROBLEM, Document, Labelled, axes
from models.types import AXES
from tests.checkpoints import huggingface_folder

K = len(CATEGORIES)
NAMES = ["O", *(f"B-{c}" for c in CATEGORIES), *(f"I-{c}" for c in CATEGORIES)]


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


def test_entities_loss_looks_at_labelled_tokens_only() -> None:
    torch.manual_seed(0)
    head, hidden = Entities(4, CATEGORIES), torch.randn(5, 4)
    table = torch.zeros(2, len(NAMES), dtype=torch.bool)
    table[0, 0] = table[1, 1:3] = True
    tags = torch.tensor([-1, 0, 1, 0, -1])
    probability = head.project(hidden).softmax(1)
    expected = -(probability[1, 0].log() + probability[2, 1:3].sum().log() + probability[3, 0].log()) / 3
    assert entities_loss(head, hidden, tags, table).item() == pytest.approx(expected.item(), rel=1e-5)


def test_assertion_loss_sums_axes_over_what_is_left_open() -> None:
    torch.manual_seed(0)
    head, hidden = Assertion(4, 6), torch.randn(7, 4)
    values = torch.zeros(1, sum(SIZES), dtype=torch.bool)
    values[0, [0, 1, 5, 8, 9, 10]] = True  # two of certainty, one of conditionality, all of association …
    loss = assertion_loss(head, hidden, torch.tensor([[2, 5]]), values)
    parts = torch.split(head.judge(head.project(hidden)[2:5].mean(0, keepdim=True)), list(SIZES), 1)
    certainty, conditionality, _, temporality = (part.softmax(1)[0] for part in parts)
    expected = -(certainty[:2].sum().log() + conditionality[0].log() + temporality[0].log())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert assertion_loss(head, hidden, torch.zeros(0, 2, dtype=torch.long), values[:0]).item() == 0


@pytest.fixture(scope="module")
def preparer(tmp_path_factory: pytest.TempPathFactory) -> examples.Preparer:
    base = open_checkpoint(huggingface_folder(tmp_path_factory.mktemp("base"), "BertModel"))
    return examples.Preparer(base.tokenizer, FeatureDictionary([]))


def open_tags(preparer: examples.Preparer, document: Document) -> list[set[str]]:
    (example,) = preparer.prepare([document])
    table = preparer.sets.table()
    return [{name for name, yes in zip(NAMES, table[row], strict=True) if yes} for row in example.tags]


def test_tags_of_a_corpus_that_covers_some_categories(preparer: examples.Preparer) -> None:
    spans = (Labelled(3, 13, PROBLEM), Labelled(14, 21, MEDICATION))
    tags = open_tags(preparer, Document("c", "1", "no chest pain aspirin has", spans, PROBLEM | MEDICATION))
    begin, inside = ({f"{p}-DISEASE", f"{p}-SIGN_OR_SYMPTOM"} for p in "BI")
    hidden = {f"{p}-{c}" for p in "BI" for c in PROBLEM | MEDICATION}
    assert tags == [set(NAMES) - hidden, begin, inside, {"B-MEDICATION"}, set(NAMES) - hidden]


def test_tags_of_a_corpus_that_covers_nothing(preparer: examples.Preparer) -> None:
    tags = open_tags(preparer, Document("c", "1", "no aspirin has pain", (Labelled(3, 10, MEDICATION),)))
    assert tags == [set(NAMES), {"B-MEDICATION"}, set(NAMES) - {"I-MEDICATION"}, set(NAMES)]


def test_an_unknown_span_is_open_where_all_is_covered(preparer: examples.Preparer) -> None:
    document = Document("c", "1", "no aspirin pain", (Labelled(3, 10, ANYTHING),), frozenset(CATEGORIES))
    assert open_tags(preparer, document) == [{"O"}, set(NAMES), {"O"}]


def test_a_span_that_starts_inside_a_word_takes_the_whole_piece(preparer: examples.Preparer) -> None:
    document = Document("c", "1", "has pains no", (Labelled(4, 8, PROBLEM),), PROBLEM)
    tags = open_tags(preparer, document)
    assert tags[1] == {"B-DISEASE", "B-SIGN_OR_SYMPTOM"}
    assert "O" in tags[2]  # the piece "##s" lies behind the span


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(4, 30), st.integers(0, 9))
def test_passages_cover_a_document_once(sentences: int, limit: int, seed: int) -> None:
    sizes = [random.Random(seed + n).randint(1, 12) for n in range(sentences)]
    cuts = tuple(np.cumsum([0, *sizes]).tolist())
    zeros = np.zeros(cuts[-1], np.int32)
    example = examples.Example(zeros, zeros.astype(np.uint8), zeros, (), cuts)
    windows = examples.passages(example, limit, random.Random(seed))
    assert [w.start for w in windows] == [0, *(w.stop for w in windows[:-1])]
    assert windows[-1].stop == cuts[-1]
    assert all(0 < w.stop - w.start <= limit for w in windows)


def test_a_batch_keeps_windows_and_judged_spans_together(preparer: examples.Preparer) -> None:
    judged = (Labelled(3, 13, PROBLEM, axes("negative")),)
    (example,) = preparer.prepare([Document("c", "1", "no chest pain. Patient has fever.", judged, PROBLEM)])
    windows = [examples.Window(example, 0, 4), examples.Window(example, 4, 8), examples.Window(example, 0, 4)]
    batch = examples.collate(windows, 2, 3, random.Random(0))
    assert batch.lengths == [6, 6, 6]
    assert batch.ids[[0, 6, 12]].tolist() == [2, 2, 2]
    assert batch.ids[[5, 11, 17]].tolist() == [3, 3, 3]
    assert (batch.tags[[0, 5, 6, 11, 12, 17]] == -1).all()
    assert batch.spans.tolist() == [[2, 4], [14, 16]]
    assert batch.ids[2:4].tolist() == example.ids[1:3].tolist()
    negative = AXES["certainty"].index("negative")
    assert batch.values[0, :5].tolist() == [n == negative for n in range(5)]
    assert batch.values[0, 5:].all()


def test_batches_hold_every_window_once_within_the_budget(preparer: examples.Preparer) -> None:
    zeros = np.zeros(30, np.int32)
    example = examples.Example(zeros, zeros.astype(np.uint8), zeros, (), (0, 30))
    windows = [examples.Window(example, n, n + 1 + n % 7) for n in range(20)]
    drawn = examples.batches(windows, 20, random.Random(3))
    assert sorted((w.start, w.stop) for batch in drawn for w in batch) == [(w.start, w.stop) for w in windows]
    assert all(sum(w.stop - w.start + 2 for w in batch) <= 20 for batch in drawn)
