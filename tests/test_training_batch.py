"""Windows become tensors: padded, in order of length, with their labels where their tokens are."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoint import open_checkpoint
from models.corpora.scheme import Document
from models.training.batch import GRAIN, Batch, collate, groups_of
from models.training.dense import hidden_states
from models.training.examples import Example, Preparer
from models.training.special import Special
from models.training.windows import Window
from models.types import AXES
from models.weights import load_encoder
from tests import learned
from tests.checkpoints import huggingface_folder
from tests.learned import LABELLED, SCHEME

RELATIONS = list(SCHEME.relations)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="module")
def preparer(folder: Path) -> Preparer:
    return learned.preparer(folder)


@pytest.fixture(scope="module")
def special(folder: Path) -> Special:
    return learned.special(folder)


@pytest.fixture(scope="module")
def example(preparer: Preparer) -> Example:
    return preparer.prepare([LABELLED])[0]


def batch_of(windows: list[Window], special: Special, masked: float = 0.0) -> Batch:
    return collate([(w,) for w in windows], special, SCHEME, masked, random.Random(0), still=True)


def test_windows_are_padded_and_lie_in_order_of_length(example: Example, special: Special) -> None:
    batch = batch_of([Window(example, 0, 9), Window(example, 4, 6)], special)
    assert batch.lengths == [GRAIN, GRAIN]
    assert batch.real.tolist() == [n < 4 for n in range(GRAIN)] + [n < 11 for n in range(GRAIN)]
    assert batch.ids[[0, GRAIN]].tolist() == [special.cls] * 2
    assert batch.ids[[3, GRAIN + 10]].tolist() == [special.sep] * 2
    assert batch.ids[1:3].tolist() == example.ids[4:6].tolist()
    assert (batch.ids[~batch.real] == special.pad).all()
    assert batch.bundle.tolist() == [1, 0], "the shorter one comes first, and is still the second text's"
    assert batch.windows.tolist() == [0] * 4 + [1] * 11
    assert (batch.tags["entities"][[0, 3, 4, 14]] == -1).all(), "nothing is learned of [CLS] and [SEP]"
    assert batch.tags["entities"][1:3].tolist() == example.tags["entities"][4:6].tolist()
    assert (batch.tags["events"] == -1).all(), "the document says nothing of events"


def test_judged_spans_move_with_their_window_and_stay_out_if_they_are_cut(
    example: Example, special: Special
) -> None:
    (judged,) = example.judged
    assert (judged.start, judged.stop) == (1, 3)
    batch = batch_of([Window(example, 0, 4), Window(example, 2, 4), Window(example, 0, 9)], special)
    assert batch.judged.tolist() == [[4 + 2, 4 + 4], [4 + 6 + 2, 4 + 6 + 4]]
    negative = AXES["certainty"].index("negative")
    assert batch.values[0, :5].tolist() == [n == negative for n in range(5)]
    assert batch.values[0, 5:].all()


def test_pairs_are_those_that_a_relation_may_join(example: Example, special: Special) -> None:
    (paired,) = (batch_of([Window(example, 0, len(example.ids))], special).paired,)
    assert paired is not None
    assert paired.spans.tolist() == (example.ends.tokens + 1).tolist()  # type: ignore[union-attr]
    effect = RELATIONS.index("ADVERSE_EFFECT_OF")
    wanted = {tuple(paired.pairs[row].tolist()) for row in paired.wanted[:, effect].nonzero()[:, 0]}
    assert wanted == {(2, 1)}
    known = {tuple(paired.pairs[row].tolist()) for row in paired.known[:, effect].nonzero()[:, 0]}
    assert known == {(0, 1), (2, 1)}, (
        "both problems may be effects of the drug; of other relations nothing is known"
    )
    assert paired.known.sum() == 2
    assert (paired.groups == -1).all()


def test_what_is_said_of_a_document_is_asked_of_all_pairs_with_its_codes(
    preparer: Preparer, special: Special
) -> None:
    spans = (*LABELLED.spans, *(s for s in LABELLED.spans if s.codes == ("none",)))
    document = Document(
        "c", "2", LABELLED.text, spans, LABELLED.covered,
        code_pairs=frozenset({("ADVERSE_EFFECT_OF", "D2", "C1")}),
    )  # fmt: skip
    (example,) = preparer.prepare([document])
    paired = batch_of([Window(example, 0, len(example.ids))], special).paired
    assert paired is not None
    assert not paired.known.any()
    codes = [example.ends.codes[span][0] for span in range(3)]  # type: ignore[union-attr]
    said = {}
    for (source, target), group in zip(paired.pairs.tolist(), paired.groups.tolist(), strict=True):
        if RELATIONS[int(paired.relation[group])] == "ADVERSE_EFFECT_OF":
            said[codes[source], codes[target]] = bool(paired.whole[group])
    assert said == {("D1", "C1"): False, ("D2", "C1"): True}


def test_hidden_tokens_are_masked_and_all_else_stays(example: Example, special: Special) -> None:
    window = Window(example, 0, len(example.ids))
    plain, all_hidden = batch_of([window], special), batch_of([window], special, 1.0)
    inner = plain.real.clone()
    inner[[0, len(window) - 1]] = False
    assert (all_hidden.ids[inner] == special.mask).all()
    assert (all_hidden.ids[~inner] == plain.ids[~inner]).all()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=8))
def test_the_padded_trunk_gives_what_the_packed_one_gives(
    folder: Path, preparer: Preparer, special: Special, sizes: list[int]
) -> None:
    (long,) = preparer.prepare([Document("c", "9", "the patient has left chest pains " * 12)])
    batch = batch_of(
        [Window(long, n, n + size) for n, size in enumerate(sizes) if n + size <= len(long.ids)], special
    )
    encoder = load_encoder(open_checkpoint(huggingface_folder(folder, "BertModel")))
    with torch.no_grad():
        padded = hidden_states(encoder, batch.ids, batch.features, batch.lengths, batch.real)[batch.real]
        lengths = np.bincount(batch.windows.numpy()).tolist()
        packed = encoder(batch.ids[batch.real], lengths)
    assert torch.allclose(padded, packed, atol=2e-5)


@given(st.lists(st.integers(1, 4), max_size=12))
def test_groups_cover_all_rows_in_order(lengths: list[int]) -> None:
    rows = [n for first, count, length in groups_of(lengths) for n in range(first, first + count * length)]
    assert rows == list(range(sum(lengths)))
    assert sum(count for _, count, _ in groups_of(lengths)) == len(lengths)
