"""From which confidence on a finding is reported: fitted to exact F1, and never above one half."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.corpora.scheme import ANYTHING, Document, Labelled, Related
from models.training.least import MOST, Told, best, least, tied, told
from models.types import Annotation, Findings, Note, Tie
from tests.records import mention, read

TEXT = "".join(f"{n:03d} " for n in range(100))
COVERED = frozenset({"DISEASE", "SIGN_OR_SYMPTOM"})


def place(number: int) -> tuple[int, int]:
    return 4 * number, 4 * number + 3


def labelled(number: int, *allowed: str) -> Labelled:
    return Labelled(*place(number), frozenset(allowed))


def pair(spans: Sequence[Labelled], found: Sequence[tuple[int, str, float]]) -> tuple[Document, Annotation]:
    mentions = Findings(tuple(mention(*place(n), category, sure) for n, category, sure in found))
    record = read(Note(id="n", text=TEXT), lambda _: mentions)
    return Document("c", "d", TEXT, tuple(spans), COVERED), record


def test_each_category_gets_what_was_found_as_it_and_its_part_of_what_was_missed() -> None:
    spans = [labelled(1, "DISEASE"), labelled(2, *COVERED), labelled(3, *COVERED), labelled(4, *ANYTHING)]
    spans.append(labelled(9, "MEDICATION"))  # which the corpus does not cover
    found = [(1, "DISEASE", 0.9), (2, "SIGN_OR_SYMPTOM", 0.8), (4, "DISEASE", 0.7), (5, "DISEASE", 0.3)]
    said = told([pair(spans, [*found, (9, "MEDICATION", 0.9)])])
    assert said.keys() == COVERED
    assert said["DISEASE"] == Told([0.9, 0.3], [True, False], 0.5)
    assert said["SIGN_OR_SYMPTOM"] == Told([0.8], [True], 0.5)


def test_a_relation_is_as_sure_as_it_and_its_ends_on_their_curves() -> None:
    every = (mention(*place(1), "DISEASE", 0.8), mention(*place(2), "DRUG", 0.5), mention(*place(3), "DRUG"))
    also = mention(*place(1), "SIGN_OR_SYMPTOM", 0.9)  # at the same place: the same relation
    ties = (Tie("OF", 0, 1, 0.5), Tie("OF", 0, 2, 0.5), Tie("OF", 3, 1, 0.5), Tie("NEAR", 0, 1, 0.5))
    record = read(Note(id="n", text=TEXT), lambda _: Findings((*every, also), ties=ties))
    gold = (Related("OF", place(1), place(2)), Related("OF", place(5), place(2)))
    document = Document("c", "d", TEXT, (), COVERED, relations=gold, related=frozenset({"OF"}))
    said = tied([(document, record)], {})
    assert said.keys() == {"OF"}  # the corpus does not say what is near
    assert said["OF"].right == [True, False]
    assert said["OF"].confidence == pytest.approx([0.9 * 0.5 * 0.5, 0.8 * 0.5 * 0.9])
    assert said["OF"].missed == 1
    doubted = tied([(document, record)], {"DRUG": (1.0, -1.0)})["OF"]
    assert max(doubted.confidence) < max(said["OF"].confidence)


def of(said: Sequence[tuple[float, bool]], missed: float = 0.0) -> Told:
    return Told([sure for sure, _ in said], [right for _, right in said], missed)


def test_what_is_mostly_wrong_is_left_out_and_what_is_mostly_right_stays() -> None:
    sure = [(0.9, True)] * 50 + [(0.4, True)] * 5 + [(0.3, False)] * 40
    assert 0.3 < best(of(sure)) <= 0.4
    some = [(0.9, True)] * 10 + [(0.3, True)] * 30 + [(0.3, False)] * 10
    assert best(of(some)) == 0.3
    assert best(of([(0.9, True), (0.6, False)])) == MOST  # likelier right than wrong is reported
    assert best(Told()) == MOST


def test_confidences_are_taken_on_their_curve() -> None:
    spans = [labelled(n, "DISEASE") for n in range(60)]
    found = [(n, "DISEASE", 0.9 if n < 60 else 0.6) for n in range(90)]
    assert least([pair(spans, found)], {})["DISEASE"] == MOST
    doubted = least([pair(spans, found)], {"DISEASE": (1.0, -2.0)})["DISEASE"]  # 0.6 is 0.17, 0.9 is 0.55
    assert 0.17 < doubted <= MOST
    low = least([pair(spans, found)], {"DISEASE": (1.0, -4.0)})["DISEASE"]  # 0.6 is 0.03, 0.9 is 0.14
    assert low == pytest.approx(0.14, abs=0.01)


def test_a_category_of_few_leans_on_all() -> None:
    spans = [labelled(n, "DISEASE") for n in range(50)] + [labelled(60, "SIGN_OR_SYMPTOM")]
    found = [(n, "DISEASE", 0.2) for n in range(50)] + [(60, "SIGN_OR_SYMPTOM", 0.45)]
    fitted = least([pair(spans, found)], {})
    assert fitted["DISEASE"] == pytest.approx(0.2, abs=0.01)
    assert 0.2 < fitted["SIGN_OR_SYMPTOM"] < 0.25


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40), st.floats(0, 50))
def test_a_threshold_loses_no_f1(said: list[tuple[float, bool]], missed: float) -> None:
    own = of(said, missed)

    def f1(at: float) -> float:
        kept = [right for sure, right in said if sure >= at]
        return 2 * sum(kept) / max(1.0, len(kept) + own.gold)

    assert 0 <= best(own) <= MOST
    assert f1(best(own)) >= f1(0.0) - 1e-9
