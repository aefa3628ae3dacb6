"""What is asked of a record, and answers as words of the note: every span is where its word stands."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from models.explaining.asking import Asking
from models.explaining.questions import ASSERTION, LABEL, SPAN, Weighed, words
from models.explanation import Explanation, Word, shortened
from models.types import Annotation, Note, Phi, Span
from streamer import schemas
from tests.decisive import LABELS, decisive, record

TEXT = "HPI: the patient denies chest pain.\n\nPLAN: takes aspirin, left fever (no pain)."


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    return Asking(decisive(tmp_path_factory.mktemp("decisive") / "made"))


def answered(asking: Asking, note: Note, annotation: Annotation) -> tuple[Explanation, ...]:
    """By weights that count the tokens of each passage from 1 on."""
    asked = asking.ask(note, annotation)
    counted = [np.arange(1, 1 + len(asked.tokens[passage])) for passage in asked.questions[:, 1]]
    scores = np.arange(len(asked.questions), dtype=np.float64)
    weights = np.concatenate(counted).astype(np.float32)
    return asking.tell(asked, Weighed(scores, np.zeros(len(scores)), weights), "ig")


def test_entities_moved_axes_and_sure_classes_are_asked(asking: Asking) -> None:
    note, annotation = record(TEXT, topic=0.8, certainty="negative", temporality="past")
    asked = asking.ask(note, annotation).asked
    said = [(target.kind, target.task, target.label) for target in asked.targets]
    each = [("entity", "category", "PROBLEM"), ("assertion", "certainty", "negative")]
    assert said == 3 * [*each, ("assertion", "temporality", "past")] + [("class", "topic", LABELS[0])]
    assert [target.reference for target in asked.targets[:3]] == 3 * [annotation.entities[0].id]
    assert asked.questions[:3].tolist() == [
        [SPAN, 0, asked.questions[0, 2], asked.questions[0, 3], 0, 0],
        [ASSERTION, 0, *asked.questions[0, 2:4], 0, 4],
        [ASSERTION, 0, *asked.questions[0, 2:4], 3, 1],
    ]
    assert (asked.questions[-2:, [0, 1, 4, 5]] == [[LABEL, 0, 0, 0], [LABEL, 1, 0, 0]]).all()


def test_every_axis_is_asked_on_demand(asking: Asking) -> None:
    note, annotation = record("pain")
    assert len(asking.ask(note, annotation).questions) == 2
    assert len(asking.ask(note, annotation, every_axis=True).questions) == 5


def test_the_likeliest_class_is_asked_however_unsure(asking: Asking) -> None:
    note, annotation = record("the patient", topic=0.3)
    assert [target.label for target in asking.ask(note, annotation).asked.targets] == [LABELS[0]]


def test_what_no_head_could_have_said_is_not_asked(asking: Asking) -> None:
    note, annotation = record("the patient")
    fields = {name: getattr(annotation, name) for name in annotation.__struct_fields__}
    found = Phi(id="p1", span=Span(4, 11), category="NAME", confidence=1.0)
    assert not len(asking.ask(note, Annotation(**fields | {"phi": (found,)})).questions)


def test_the_tokens_of_a_mention_are_asked_about(asking: Asking) -> None:
    note, annotation = record(TEXT)
    asked = asking.ask(note, annotation)
    for entity, row in zip(annotation.entities, asked.questions[::2], strict=True):
        passage, own = asked.passages[row[1]], asked.tokens[row[1]]
        start, end = own.starts[row[2]], own.ends[row[3] - 1]
        assert passage.text[start:end] == entity.text


def test_answers_are_words_where_they_stand(asking: Asking) -> None:
    note, annotation = record(TEXT, topic=0.9)
    for explanation in answered(asking, note, annotation):
        assert explanation.words, "there is something to say"
        for word in explanation.words:
            assert word.text == note.text[word.span.start : word.span.end]
            assert word.text.strip() == word.text
        weights = [abs(word.weight) for word in explanation.words]
        assert weights == sorted(weights, reverse=True)


def test_a_word_weighs_what_its_pieces_weigh(asking: Asking) -> None:
    note, annotation = record("has xyz pain")
    (weights,) = {
        tuple(sorted((w.text, w.weight) for w in own.words)) for own in answered(asking, note, annotation)
    }
    assert weights == (("has", 1.0), ("pain", 5.0), ("xyz", 2.0 + 3.0 + 4.0))


def test_a_class_of_a_note_is_its_passages_by_their_length(asking: Asking) -> None:
    note, annotation = record("the patient\n\nhas left the chest", topic=0.9)
    asked = asking.ask(note, annotation)
    lengths = [len(passage.text) for passage in asked.passages]
    assert len(lengths) == 2
    (explanation,) = answered(asking, note, annotation)
    assert explanation.score == pytest.approx(1 * lengths[1] / sum(lengths), abs=1e-4)
    weights = {word.text: word.weight for word in explanation.words}
    assert weights["patient"] == pytest.approx(2 * lengths[0] / sum(lengths), abs=1e-4)
    assert weights["chest"] == pytest.approx(4 * lengths[1] / sum(lengths), abs=1e-4)


def test_how_far_the_words_are_from_the_change_is_told(asking: Asking) -> None:
    note, annotation = record("has pain")
    category, _ = answered(asking, note, annotation)
    assert category.completeness_error == pytest.approx((3 - 0) / 0.5), "no change: by half a unit"


@settings(deadline=None)
@given(st.integers(1, 40).flatmap(lambda n: stn.arrays(np.int32, n, elements=st.integers(0, 9))))
def test_words_part_the_tokens(ids: np.ndarray) -> None:
    word_start = np.arange(10) % 3 > 0
    found = words(ids, word_start)
    assert [token for first, end in found for token in range(first, end)] == list(range(len(ids)))
    assert all(word_start[ids[first]] for first, _ in found[1:])
    assert not any(word_start[ids[first + 1 : end]].any() for first, end in found)


WEIGHTS = st.lists(st.floats(-50, 50).map(lambda weight: round(weight, 4)), max_size=30)


@settings(deadline=None)
@given(WEIGHTS, st.integers(0, 40), st.floats(-5, 5))
def test_what_is_left_out_is_in_the_rest(weights: list[float], most: int, rest: float) -> None:
    whole = Explanation(
        kind="class", reference=None, task="t", label="l", method="ig", score=0.0, baseline=0.0,
        completeness_error=0.0, words=tuple(Word(Span(0, 1), "x", weight) for weight in weights), rest=rest,
    )  # fmt: skip
    short = shortened(whole, most)
    assert len(short.words) == min(most, len(weights))
    total = sum(word.weight for word in short.words) + short.rest
    assert total == pytest.approx(sum(weights) + rest, abs=1e-3)


def test_an_explained_record_holds_to_the_schema_and_one_that_is_not_has_an_empty_array(
    asking: Asking,
) -> None:
    note, annotation = record(TEXT, topic=0.9)
    schema = jsonschema.Draft202012Validator(schemas.read("annotation-1.json"))
    plain = json.loads(msgspec.json.encode(annotation))
    schema.validate(plain)
    assert plain["explanations"] == []
    whole = msgspec.structs.replace(annotation, explanations=answered(asking, note, annotation))
    encoded = json.loads(msgspec.json.encode(whole))
    schema.validate(encoded)
    assert list(encoded["explanations"][0]) == [
        *("kind", "reference", "task", "label", "method", "score", "baseline", "completenessError"),
        *("words", "rest"),
    ]
    assert encoded | {"explanations": []} == plain


def test_nothing_of_the_text_is_in_a_repr(asking: Asking) -> None:
    note, annotation = record("the patient has pain")
    found = answered(asking, note, annotation)
    whole = msgspec.structs.replace(annotation, explanations=found)
    shown = repr((asking.ask(note, annotation), found, found[0].words, whole))
    assert "pain" not in shown.lower()
    assert "<4 words>" in shown
