"""What an explanation is, as a record has it. `repr` shows how much there is, never which text."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from models.span import Span

Method = Literal["ig", "rollout", "lime", "shap"]
METHODS: tuple[Method, ...] = get_args(Method)
IN_STREAM: tuple[Method, ...] = ("ig", "rollout")
"""Cheap enough to be asked for in a message's header, and in need of no further packages."""
Kind = Literal["entity", "assertion", "class", "phi"]
DIGITS = 4
"""Decimals of every weight and score."""


class Word(msgspec.Struct, frozen=True, gc=False):
    """A whole word of the note and how much it moved the score: up where `weight` is above 0.

    `text == note.text[span.start:span.end]`, as everywhere in a record.
    """

    span: Span
    text: str
    weight: float

    def __repr__(self) -> str:
        return f"Word({self.span}, {self.weight:+})"


class Explanation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that the record says, and the words that moved it.

    `reference`: id of the entity or of what is in `phi`; null for a class of the whole note. `task`: what
    was asked ("category", an axis of assertion, the task of a class), `label`: what the record says there.
    `score`: log-odds of that label as the encoder alone sees it, in fp32; below 0 it is less likely than
    not, and a cue, a section or a pattern may have decided. `baseline`: the same with every word masked;
    null where a method has none.
    `words`: the strongest first; `rest`: what all words together weigh that are not among them.
    `completeness_error`: how far words and rest are from summing to `score − baseline`, as a share of that
    difference (of half a unit where it is smaller); null where a method promises no such sum.
    """

    kind: Kind
    reference: str | None
    task: str
    label: str
    method: Method
    score: float
    baseline: float | None
    completeness_error: float | None
    words: tuple[Word, ...]
    rest: float = 0.0

    def __repr__(self) -> str:
        return (
            f"Explanation({self.kind}, {self.task}, {self.label}, {self.method}, <{len(self.words)} words>)"
        )


def shortened(explanation: Explanation, words: int) -> Explanation:
    """With at most so many words; what the others weigh goes into `rest`."""
    left = sum(word.weight for word in explanation.words[words:])
    if not explanation.words[words:]:
        return explanation
    return msgspec.structs.replace(
        explanation, words=explanation.words[:words], rest=round(explanation.rest + left, DIGITS)
    )
