"""Batches are read as the plain reading reads each passage alone, whatever else is in them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from models.answers import Answer
from models.blocks import in_blocks
from models.forward import Projected
from models.heads.assertion import Assertion
from models.heads.entities import Entities
from models.heads.relations import Relations
from models.heads.sequence_classes import SequenceClasses
from models.heads.text_classes import TextClasses
from models.heads.token_classes import TokenClasses
from models.reading import Reading
from models.requests import Long
from models.weights import Heads
from tests import plain_reading
from tests.checkpoints import BILOU
from tests.engines import same

WIDTH, PIECES, CLS, SEP = 24, 50, 0, 1
WORD_START = np.arange(PIECES) % 4 > 0
CATEGORIES = tuple("ABCDEFG")


class Text(NamedTuple):
    """A passage as the trunk would give it: `hidden` with the rows of its [CLS] and [SEP]."""

    ids: NDArray[np.int32]
    hidden: NDArray[np.float32]


class World:
    """Heads with random weights: as built, and in `reading` as the engine has them."""

    def __init__(
        self,
        *spans: Entities | TokenClasses,
        assertion: Assertion | None = None,
        relations: Relations | None = None,
        classes: tuple[SequenceClasses | TextClasses, ...] = (),
    ) -> None:
        self.spans, self.assertion, self.relations, self.classes = spans, assertion, relations, classes
        torch.manual_seed(0)
        with torch.no_grad():
            for head in (*spans, assertion, relations, *classes):
                for parameter in head.eval().requires_grad_(False).parameters() if head else ():
                    parameter.normal_()
            for layer in spans:
                if isinstance(layer, Entities):
                    layer.tags.bias[0] += 6  # mostly outside, as in a note
        built: Any = copy.deepcopy((spans, assertion, relations, classes))
        self.heads = Heads(*built)
        for head in (*built[0], *built[1:3], *built[3]):
            if head is not None:
                in_blocks(head)
        self.reading = Reading(self.heads, WORD_START, torch.device("cpu"))

    @torch.inference_mode()
    def batch(self, texts: Sequence[Text], dtype: torch.dtype = torch.float32) -> Projected:
        ends = np.cumsum([len(text.hidden) for text in texts])
        hidden = torch.from_numpy(np.concatenate([text.hidden for text in texts])).to(dtype)
        firsts = hidden[torch.from_numpy(np.append(0, ends[:-1]))].float()
        means = torch.stack(
            [part.double().mean(0).float() for part in torch.tensor_split(hidden, ends[:-1].tolist())]
        )
        both = torch.cat([firsts, means], 1)
        return Projected(
            np.concatenate([[CLS, *text.ids, SEP] for text in texts]).astype(np.int32),
            ends,
            hidden,
            [head.project(hidden.float()) for head in self.heads.spans],
            [head.project(both if head.pooled else firsts) for head in self.heads.classes],
        )

    def read(self, texts: Sequence[Text]) -> list[Answer]:
        return self.reading.batch(self.batch(texts)).answers

    @torch.inference_mode()
    def plainly(self, text: Text) -> Answer:
        answer = Answer()
        inner, first = torch.from_numpy(text.hidden[1:-1]), torch.from_numpy(text.hidden[:1])
        found, first_category = list[tuple[int, int, int, float]](), 0
        for layer in self.spans:
            projected = layer.project(inner).numpy()
            if isinstance(layer, TokenClasses):
                spans, sure = plain_reading.token_classes(layer, projected)
            else:
                spans, sure = plain_reading.entities(projected, WORD_START[text.ids])
            found += [
                (a, b, c + first_category, p) for (a, b, c), p in zip(spans.tolist(), sure, strict=True)
            ]
            first_category += len(layer.categories)
        found.sort(key=lambda own: (own[0], own[2]))
        answer.spans = np.array([own[:3] for own in found], np.int32).reshape(-1, 3)
        answer.confidence = np.array([own[3] for own in found], np.float32)
        if self.assertion is not None:
            answer.assertion = plain_reading.assertion(self.assertion, inner.numpy(), answer.spans)
        if self.relations is not None:
            names = [name for layer in self.spans for name in layer.categories]
            answer.pairs, answer.pair_confidence = plain_reading.relations(
                self.relations, inner.numpy(), answer.spans, names
            )
        both = torch.cat(
            [first, torch.from_numpy(text.hidden.astype(np.float64).mean(0, keepdims=True)).float()], 1
        )
        answer.classes = tuple(
            plain_reading.classes(
                head.project(both if head.pooled else first).numpy(), np.ones(1, np.int32), head.independent
            )
            for head in self.classes
        )
        return answer


def tasks(*independent: bool) -> tuple[SequenceClasses, ...]:
    return tuple(SequenceClasses(WIDTH, f"t{i}", "abcd"[: 3 + i], own) for i, own in enumerate(independent))


def relations(kinds: str, thresholds: tuple[float, ...] = (0.4, 0.6)) -> Relations:
    """From A and B to C, and from any kind to D."""
    joins = np.zeros((2, len(kinds), len(kinds)), np.bool_)
    joins[0, [kinds.index(kind) for kind in "AB"], kinds.index("C")] = True
    joins[1, :, kinds.index("D")] = True
    return Relations(WIDTH, 8, ("to C", "to D"), tuple(kinds), joins, 20, 3, thresholds)


WORLDS = {
    "words": World(Entities(WIDTH, CATEGORIES), assertion=Assertion(WIDTH, 8)),
    "labels": World(TokenClasses(WIDTH, BILOU, ("PROBLEM", "DRUG")), classes=tasks(False, True)),
    "classes alone": World(classes=tasks(True)),
    "layers": World(
        Entities(WIDTH, "ABCD"),
        Entities(WIDTH, "BXY"),
        Entities(WIDTH, "EF"),
        assertion=Assertion(WIDTH, 8),
        relations=relations("ABCDE"),
        classes=(TextClasses(WIDTH, "t", "abc", True, 8), TextClasses(WIDTH, "u", "ab", False, 8)),
    ),
}
words = WORLDS["words"]
everything = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())


def text(tokens: int, seed: int = 0) -> Text:
    chance = np.random.default_rng([tokens, seed])
    ids = chance.integers(2, PIECES, tokens, dtype=np.int32)
    return Text(ids, chance.normal(size=(tokens + 2, WIDTH)).astype(np.float32))


def close(a: Answer, b: Answer, within: float = 2e-6) -> bool:
    floats = [
        (a.confidence, b.confidence),
        (a.assertion, b.assertion),
        (a.pair_confidence, b.pair_confidence),
        *zip(a.classes, b.classes, strict=True),
    ]
    return (
        a.status == b.status
        and np.array_equal(a.spans, b.spans)
        and np.array_equal(a.pairs, b.pairs)
        and all(np.allclose(x, y, atol=within) for x, y in floats if x.size or y.size)
    )


LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=12)


@everything
@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 10_000))
def test_every_passage_of_a_batch_is_read_as_the_plain_reading_reads_it(
    world: World, lengths: list[int], seed: int
) -> None:
    texts = [text(n, seed) for n in lengths]
    for own, answer in zip(texts, world.read(texts), strict=True):
        assert close(answer, world.plainly(own))


@everything
def test_there_is_much_to_read_in_these_passages(world: World) -> None:
    answers = world.read([text(60, seed) for seed in range(30)])
    if world.heads.spans:
        assert sum(len(answer.spans) for answer in answers) > 100
        assert max(int(np.diff(answer.spans[:, :2]).max(initial=0)) for answer in answers) > 3
    assert all(len(answer.classes) == len(world.heads.classes) for answer in answers)


@everything
@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 10_000))
def test_a_passage_has_the_same_bits_in_every_company(world: World, lengths: list[int], seed: int) -> None:
    probe = text(40, seed)
    company = [text(n, seed) for n in lengths]
    (alone,) = world.read([probe])
    assert same(world.read([*company, probe, *company])[len(company)], alone)


@everything
@settings(max_examples=25, deadline=None)
@given(tokens=st.integers(13, 90), seed=st.integers(0, 10_000), shuffled=st.randoms())
def test_a_long_passage_is_read_as_if_it_were_one_window(
    world: World, tokens: int, seed: int, shuffled: Any
) -> None:
    """Its windows see the same, come in any order and in different batches, and nothing of it shows."""
    whole = text(tokens, seed)
    long = Long((whole.ids, whole.ids.astype(np.uint8)), 12, 4)
    order = list(range(len(long.windows)))
    shuffled.shuffle(order)
    last = []
    for index in order:
        window = long.windows[index]
        part = np.r_[0, window.start + 1 : window.stop + 1, tokens + 1]
        own = Text(whole.ids[window.start : window.stop], whole.hidden[part])
        number = index % 3
        batch = world.batch([*(text(n) for n in range(number)), own, text(5)])
        last.append(long.lay(index, world.reading.rows(batch, number, long, index)))
    assert last == [False] * (len(order) - 1) + [True]
    (answer,) = world.reading.whole(long).answers
    assert close(without_pairs(answer), without_pairs(world.plainly(whole)), 1e-2)


def without_pairs(answer: Answer) -> Answer:
    """Hidden states of a long passage are kept in half the bits, so that a pair may lie over its threshold
    one way and under it the other. Means of windows are not those of the whole: pooled classes differ."""
    return dataclasses.replace(
        answer, pairs=answer.pairs[:0], pair_confidence=answer.pair_confidence[:0], classes=()
    )


def test_relations_go_over_the_seams_of_a_long_passage() -> None:
    world = WORLDS["layers"]
    whole = text(80, 3)
    long = Long((whole.ids, whole.ids.astype(np.uint8)), 12, 4)
    for index, window in enumerate(long.windows):
        part = np.r_[0, window.start + 1 : window.stop + 1, 81]
        batch = world.batch([Text(whole.ids[window.start : window.stop], whole.hidden[part])])
        long.lay(index, world.reading.rows(batch, 0, long, index))
    (answer,) = world.reading.whole(long).answers
    plainly = world.plainly(whole)
    assert len(answer.pairs) > 3
    assert np.array_equal(answer.pairs, plainly.pairs)
    assert np.allclose(answer.pair_confidence, plainly.pair_confidence, atol=2e-2)


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


def test_a_name_that_two_layers_share_is_joined_in_the_first_alone() -> None:
    world = WORLDS["layers"]
    joined = {int(n) for own in (text(60, s) for s in range(20)) for n in _joined(world.read([own])[0])}
    assert joined <= {0, 1, 2, 3, 7}, "B of the second layer is 4, X and Y are no kinds; E is 7, F none"
    assert 1 in joined


def _joined(answer: Answer) -> NDArray[np.int32]:
    kinds: NDArray[np.int32] = answer.spans[answer.pairs[:, :2].ravel(), 2]
    return kinds


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


def test_hidden_states_of_half_the_bits_are_read_as_whole_numbers() -> None:
    texts = [text(40, seed) for seed in range(3)]
    rounded = [Text(t.ids, torch.from_numpy(t.hidden).bfloat16().float().numpy()) for t in texts]
    answers = words.reading.batch(words.batch(texts, torch.bfloat16)).answers
    assert all(same(a, b) for a, b in zip(answers, words.read(rounded), strict=True))


def test_parts_of_a_batch_are_views_of_it() -> None:
    answers = words.reading.batch(words.batch([text(30, seed) for seed in range(4)]))
    edges = np.append(0, np.cumsum(answers.counts)).tolist()
    for place, (a, b) in enumerate(pairwise(edges)):
        part = answers.part(place, place + 1, a, b)
        assert same(part.answers[0], answers.answers[place])
        assert not part.spans.size or np.shares_memory(part.spans, answers.spans)
