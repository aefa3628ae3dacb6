"""Heads with random weights in a reading of their own, and passages for them as the trunk would give them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

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
from models.weights import Heads
from tests import plain_reading
from tests.checkpoints import BILOU

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


def text(tokens: int, seed: int = 0) -> Text:
    chance = np.random.default_rng([tokens, seed])
    ids = chance.integers(2, PIECES, tokens, dtype=np.int32)
    return Text(ids, chance.normal(size=(tokens + 2, WIDTH)).astype(np.float32))
