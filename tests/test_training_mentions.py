"""Renamed mentions: labels move along, and all other words stay."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.scheme import Document, Labelled, Layer, Related
from models.training.mentions import Mentions

A, B = frozenset("A"), frozenset("B")
POOL = Mentions(
    [Document("c", "0", "gout asthma warts zinc gold", (
        Labelled(0, 4, A), Labelled(5, 11, A), Labelled(12, 17, A), Labelled(18, 22, B), Labelled(23, 27, B)
    ))]
)  # fmt: skip
WORDS = st.lists(
    st.tuples(st.sampled_from(["pain", "Pain", "lead", "x", "a long name"]), st.sampled_from("AB-")),
    max_size=9,
)


def document(words: list[tuple[str, str]]) -> Document:
    text, spans = "", []
    for word, kind in words:
        text += " " if text else ""
        if kind != "-":
            spans.append(Labelled(len(text), len(text) + len(word), frozenset(kind)))
        text += word
    relations = tuple(Related("r", a.place, b.place) for a, b in pairwise(spans))
    whole = (Labelled(0, len(text), frozenset("W")),) if text else ()
    return Document(
        "c",
        "1",
        text,
        tuple(spans),
        judged=tuple(spans[:1]),
        layers={"l": Layer(whole, A)},
        relations=relations,
    )


@settings(deadline=None)
@given(WORDS, st.floats(0, 1), st.integers(0, 99))
def test_labels_move_along_and_other_words_stay(
    words: list[tuple[str, str]], share: float, seed: int
) -> None:
    before = document(words)
    after = POOL.replaced(before, share, random.Random(seed))
    assert [s.allowed for s in after.spans] == [s.allowed for s in before.spans]

    def others(own: Document) -> str:
        text = own.text
        for span in reversed(own.spans):
            text = text[: span.start] + "#" + text[span.end :]
        return text

    assert others(after) == others(before)
    known = {"gout", "asthma", "warts", "zinc", "gold"}
    for old, new in zip(before.spans, after.spans, strict=True):
        said, said_before = after.text[new.start : new.end], before.text[old.start : old.end]
        assert said == said_before or said.lower() in known
    assert [r.source for r in after.relations] == [s.place for s in after.spans[:-1]]
    assert [s.place for s in after.judged] == [s.place for s in after.spans[:1]]
    assert all(s.place == (0, len(after.text)) for s in after.layers["l"].spans)


def test_all_or_none_are_renamed_and_what_is_written_alike_stays_alike() -> None:
    before = document([("pain", "A"), ("lead", "B"), ("and", "-"), ("Pain", "A")])
    assert POOL.replaced(before, 0.0, random.Random(0)) == before
    after = POOL.replaced(before, 1.0, random.Random(0))
    first, lead, last = (after.text[s.start : s.end] for s in after.spans)
    assert first in {"gout", "asthma", "warts"}
    assert lead in {"zinc", "gold"}
    assert last == first.capitalize()


def test_a_mention_with_something_else_labelled_in_it_stays() -> None:
    before = Document(
        "c", "1", "left leg pain", (Labelled(0, 13, A),), layers={"l": Layer((Labelled(5, 8, B),), B)}
    )
    assert POOL.replaced(before, 1.0, random.Random(0)) == before
