"""The deletion test: the word that decides is missed, a random one is not; so too as it ships."""

from __future__ import annotations

import pytest

from models.annotator import Annotator
from models.checkpoint import open_checkpoint
from models.explaining.deletion import Drop, drops, summary
from models.explaining.explain import Explainer
from models.types import Note
from tests.decisive import decisive, record

TEXT = (
    "the patient denies chest pain and has left the patient\n\n"
    "the patient denies fever and has the left chest"
)


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(decisive(tmp_path_factory.mktemp("decisive") / "made"), "cpu")


@pytest.mark.parametrize("stand_in", ["[MASK]", "[UNK]"])
def test_without_the_word_that_decides_a_target_is_lost(explainer: Explainer, stand_in: str) -> None:
    said = [record(TEXT, certainty="negative")]
    found = list(drops(explainer, said, "ig", k=1, context_only=True, stand_in=stand_in))
    asserted = [drop for drop in found if drop.group == "certainty: not usual"]
    assert len(asserted) == 2
    for drop in asserted:
        assert drop.without_top > 0.9
        assert drop.without_random < 0.3
        assert drop.only_top < 0.1
        assert drop.only_random > 0.5


def test_what_the_encoder_did_not_decide_is_left_out(explainer: Explainer) -> None:
    said = [record("has chest pain and the patient has left", certainty="negative")]
    assert [drop.group for drop in drops(explainer, said, "rollout", k=1)] == []
    assert summary([]) == []


def test_of_each_note_some_are_drawn(explainer: Explainer) -> None:
    said = [record(TEXT, certainty="negative")] * 3
    found = list(drops(explainer, said, "rollout", k=1, most=1))
    assert len(found) <= 3
    assert found == list(drops(explainer, said, "rollout", k=1, most=1))


def drop(note: int, top: float, random: float, group: str = "entity") -> Drop:
    return Drop(note, group, top, random, random, top)


def test_figures_are_means_and_their_chance() -> None:
    rows = summary([drop(n, 0.6 + n / 100, 0.1) for n in range(10)] + [drop(0, 0.2, 0.2, "class")])
    assert [row.group for row in rows] == ["class", "entity", "all"]
    entity = rows[1]
    assert (entity.targets, entity.notes) == (10, 10)
    assert entity.comprehensiveness == pytest.approx(0.645)
    assert entity.comprehensiveness_random == pytest.approx(0.1)
    assert entity.comprehensiveness_p == pytest.approx(2**-10, rel=0.5)
    assert entity.sufficiency == pytest.approx(0.1)
    assert entity.sufficiency_p == pytest.approx(2**-10, rel=0.5)
    assert rows[0].comprehensiveness_p == pytest.approx(1), "no difference is as likely as can be"


def test_targets_of_one_note_are_no_independent_witnesses() -> None:
    (row, _) = summary([drop(0, 0.6, 0.1) for _ in range(100)])
    assert row.comprehensiveness_p == pytest.approx(0.5, abs=0.02)


def test_the_shipped_checkpoint_misses_the_words_that_are_named() -> None:
    texts = (
        "The patient denies chest pain and shortness of breath since yesterday morning.",
        "CT of the abdomen showed no evidence of acute appendicitis or any other process.",
        "Her mother had breast cancer and her father had a stroke at the age of 70.",
    )
    checkpoint = open_checkpoint()
    with Annotator(checkpoint, "cpu") as annotator:
        said = [(Note(id=text, text=text), annotator.annotate(Note(id=text, text=text))) for text in texts]
    (*_, row) = summary(list(drops(Explainer(checkpoint, "cpu"), said, "ig", k=2, most=4)))
    assert row.targets >= 6
    assert row.comprehensiveness > row.comprehensiveness_random + 0.1
    assert row.sufficiency < row.sufficiency_random
