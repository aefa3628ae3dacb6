"""Scores are the log-odds of what the heads themselves read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.checkpoint import Checkpoint, open_checkpoint
from models.explaining.questions import ASSERTION, LABEL, SPAN
from models.explaining.targets import Local, Targets
from models.heads import Float
from models.weights import Heads, load
from tests.checkpoints import BILOU, huggingface_folder
from tests.decisive import decisive

TOKENS = 7


def loaded(checkpoint: Checkpoint) -> tuple[Targets, Heads, np.ndarray, Tensor]:
    """And ids of a window, and hidden states of two points."""
    _, heads = load(checkpoint)
    vocabulary = checkpoint.tokenizer.get_vocab()
    pieces = ("[CLS]", "chest", "##s", "pain", "has", "fever", "[SEP]")
    ids = np.array([vocabulary[piece] for piece in pieces], np.int32)
    width = checkpoint.encoder.hidden_size
    return Targets(checkpoint, heads), heads, ids, torch.randn(2, TOKENS, width, generator=torch.Generator())


@pytest.fixture
def made(tmp_path: Path) -> Checkpoint:
    """Decisive in its shape; weights at random, so that nothing is 0 by luck."""
    return decisive(tmp_path / "made")


def shaken(heads: Heads) -> None:
    generator = torch.Generator().manual_seed(0)
    for head in (*heads.spans, heads.assertion, *heads.classes):
        for parameter in head.parameters():  # type: ignore[union-attr]
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


def probability(scores: Tensor) -> Float:
    return scores.sigmoid().float().numpy()


def test_a_span_is_its_words_tagged_so(made: Checkpoint) -> None:
    targets, heads, ids, hidden = loaded(made)
    shaken(heads)
    found = probability(targets(hidden, ids, [Local(SPAN, 1, 4, 0, 1)])[:, 0])
    for point, own in zip(found, heads.spans[0].project(hidden), strict=True):
        chests = own[1].double().clone()
        chests += own[2][[0, 3, 4, 3, 4]].double()
        expected = chests.softmax(0)[2] * own[3].double().softmax(0)[4]
        assert point == pytest.approx(float(expected), rel=1e-5)


def test_of_bilou_labels_every_token_has_one_of_the_category(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(huggingface_folder(tmp_path / "hf", labels=BILOU))
    targets, heads, ids, hidden = loaded(checkpoint)
    found = probability(targets(hidden, ids, [Local(SPAN, 1, 3, 0, 1)])[:, 0])
    likely = heads.spans[0].project(hidden).double().softmax(2)
    drugs = [place for place, label in enumerate(BILOU) if label.endswith("DRUG")]
    assert found == pytest.approx(likely[:, 1:3, drugs].sum(2).prod(1).numpy(), rel=1e-5)


def test_an_assertion_is_what_its_head_reads(made: Checkpoint) -> None:
    targets, heads, ids, hidden = loaded(made)
    shaken(heads)
    assert heads.assertion is not None
    asked = [Local(ASSERTION, 1, 4, 0, 4), Local(ASSERTION, 1, 4, 2, 1), Local(ASSERTION, 1, 4, 3, 2)]
    found = probability(targets(hidden, ids, asked))
    for point, own in zip(found, hidden, strict=True):
        read = heads.assertion.read(heads.assertion.project(own[1:4]), np.array([3], np.int32))[0]
        assert point == pytest.approx(read[[4, 5 + 3 + 1, 5 + 3 + 2 + 2]], rel=1e-4)


@pytest.mark.parametrize("label", [0, 1])
def test_an_independent_class_is_what_its_head_reads(made: Checkpoint, label: int) -> None:
    targets, heads, ids, hidden = loaded(made)
    shaken(heads)
    rows = torch.cat([hidden[:, 0], hidden.mean(1)], 1)
    found = probability(targets(hidden, ids, [Local(LABEL, 0, 1, 0, label)])[:, 0])
    assert found == pytest.approx(heads.classes[0].read(heads.classes[0].project(rows))[:, label], rel=1e-4)


def test_an_exclusive_class_is_what_its_head_reads(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "hf", "BertForSequenceClassification", ("a", "b", "c"))
    targets, heads, ids, hidden = loaded(open_checkpoint(folder))
    found = probability(targets(hidden, ids, [Local(LABEL, 0, 1, 0, 2)])[:, 0])
    assert found == pytest.approx(
        heads.classes[0].read(heads.classes[0].project(hidden[:, 0]))[:, 2], rel=1e-4
    )


def test_what_is_certain_stays_finite_and_can_be_differentiated(made: Checkpoint) -> None:
    targets, _, ids, hidden = loaded(made)
    hidden = (hidden * 1000).requires_grad_()
    asked = [Local(SPAN, 3, 4, 0, 0), Local(ASSERTION, 3, 4, 0, 4), Local(LABEL, 0, 1, 0, 0)]
    scores = targets(hidden, ids, asked)
    (gradient,) = torch.autograd.grad(scores.sum(), hidden)
    assert scores.isfinite().all()
    assert gradient.isfinite().all()
