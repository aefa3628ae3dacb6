"""A note's explanations: windows of long passages, progress, and what the shipped checkpoint goes by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.annotator import Annotator
from models.checkpoint import open_checkpoint
from models.explaining.explain import Explainer
from models.explaining.gradients import TOLERANCE
from models.explaining.questions import COLUMNS, LABEL, SPAN
from models.explanation import Explanation
from models.types import Annotation, Note
from tests.decisive import decisive, record


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(decisive(tmp_path_factory.mktemp("decisive") / "made", window=18, overlap=4), "cpu")


def test_in_a_long_passage_a_mention_is_explained_by_its_own_window(explainer: Explainer) -> None:
    note, annotation = record(
        "denies the patient " + "the left chest has the " * 8 + "pain", certainty="negative"
    )
    category, certainty = explainer.explain(note, annotation)
    assert category.words[0].text == "pain"
    assert all(word.text != "denies" for word in certainty.words), "it is out of sight"
    note, annotation = record("the left chest has the " * 8 + "denies pain", certainty="negative")
    _, certainty = explainer.explain(note, annotation)
    assert certainty.words[0].text == "denies"
    assert certainty.words[0].span.start == note.text.index("denies")


def test_a_class_of_a_long_passage_is_that_of_all_its_windows(explainer: Explainer) -> None:
    text = "aspirin " + "the left chest has the " * 6 + "aspirin"
    note, annotation = record(text, topic=0.9)
    (explanation,) = explainer.explain(note, annotation)
    found = {word.span.start for word in explanation.words[:2]}
    assert found == {0, text.rindex("aspirin")}
    assert explanation.completeness_error is not None
    assert explanation.completeness_error <= TOLERANCE


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 70), st.data())
def test_every_token_is_asked_in_the_window_that_owns_it(
    explainer: Explainer, tokens: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, tokens - 1))
    end = data.draw(st.integers(first + 1, min(tokens, first + 4)))
    ids = np.arange(5, 5 + tokens, dtype=np.int32)
    passage = (ids, np.zeros(tokens, np.uint8))
    questions = np.array([[SPAN, 0, first, end, 0, 0], [LABEL, 0, 0, 0, 0, 0]], np.int32)
    assert questions.shape[1] == COLUMNS
    pieces = explainer.windows(passage, questions, np.arange(2))
    spans = [(piece, n) for piece in pieces for n, (number, _) in enumerate(piece.shares) if number == 0]
    ((piece, place),) = spans
    local = piece.window.asked[place]
    seen = piece.window.ids[local.first : local.end]
    assert seen.tolist() == ids[first : first + len(seen)].tolist()
    assert len(seen) == end - first or local.end == len(piece.window.ids) - 1, (
        "cut only where the window ends"
    )
    shares = [share for piece in pieces for number, share in piece.shares if number == 1]
    assert sum(shares) == pytest.approx(1)


def test_how_far_it_is_is_told(explainer: Explainer) -> None:
    told: list[tuple[int, int]] = []
    note, annotation = record("pain\n\nthe patient\n\nfever")
    explainer.explain(note, annotation, "rollout", on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (4, 4)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("text", ["", "\n", "the patient"])
def test_of_nothing_there_is_nothing_to_explain(explainer: Explainer, text: str) -> None:
    note, annotation = record(text)
    assert explainer.explain(note, annotation) == ()


# --- the shipped checkpoint ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Iterator[tuple[Annotator, Explainer]]:
    checkpoint = open_checkpoint()
    with Annotator(checkpoint, "cpu") as annotator:
        yield annotator, Explainer(checkpoint, "cpu")


SAID = [
    ("The patient denies chest pain.", "chest pain", "certainty", "negative", {"denies"}),
    ("No evidence of pneumonia.", "pneumonia", "certainty", "negative", {"No", "evidence"}),
    ("Her mother had breast cancer.", "breast cancer", "association", "other", {"mother", "Her"}),
    ("She was given aspirin for the headache.", "aspirin", "category", "MEDICATION", {"aspirin"}),
]


@pytest.mark.parametrize(("text", "mention", "task", "label", "expected"), SAID)
def test_the_shipped_checkpoint_goes_by_the_words_that_a_reader_would(
    shipped: tuple[Annotator, Explainer], text: str, mention: str, task: str, label: str, expected: set[str]
) -> None:
    explanation = one(shipped, text, mention, task)
    assert explanation.label == label
    assert explanation.words[0].text in expected
    assert explanation.words[0].weight > 0
    assert explanation.completeness_error is not None
    assert explanation.completeness_error <= TOLERANCE


def one(shipped: tuple[Annotator, Explainer], text: str, mention: str, task: str) -> Explanation:
    annotator, explainer = shipped
    note = Note(id="n", text=text)
    record: Annotation = annotator.annotate(note)
    (entity,) = [own for own in record.entities if own.text == mention]
    (found,) = [
        own for own in explainer.explain(note, record) if (own.reference, own.task) == (entity.id, task)
    ]
    return found


def test_two_explainers_say_the_same(tmp_path: Path) -> None:
    made = decisive(tmp_path / "made")
    said = record("denies chest pain", certainty="negative")
    assert Explainer(made, "cpu").explain(*said) == Explainer(made, "cpu").explain(*said)
