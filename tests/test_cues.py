"""Cue rules. In the cases, [brackets] mark the concepts of a sentence."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import cues, phrases
from models.types import AXES, Span

PLAIN = {
    "certainty": "positive",
    "conditionality": "none",
    "association": "subject",
    "temporality": "current",
}
UNSURE = np.array([0.8, 0.05, 0.05, 0.05, 0.05, 0.6, 0.2, 0.2, 0.6, 0.4, 0.6, 0.2, 0.2], np.float32)


def marked(sentence: str) -> tuple[str, list[Span]]:
    text, spans, at = "", [], 0
    for concept in re.finditer(r"\[([^\]]*)\]", sentence):
        text += sentence[at : concept.start()]
        spans.append(Span(len(text), len(text) + len(concept[1])))
        text += concept[1]
        at = concept.end()
    return text + sentence[at:], spans


def judge(sentence: str, row: NDArray[np.float32] = UNSURE) -> list[cues.Judgement]:
    text, spans = marked(sentence)
    return cues.resolve([(text, spans)], np.tile(row, (len(spans), 1)))


def unusual(sentence: str) -> list[str]:
    """Of each concept: the values that are not the usual ones, joined; "-" if all are usual."""
    return [
        ",".join(value for value in assertion if value not in PLAIN.values()) or "-"
        for assertion, _, _ in judge(sentence)
    ]


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        # negation
        ("No [fever], [chills], or [cough].", "negative negative negative"),
        ("Denies [chest pain], [nausea], [vomiting], [diarrhea] and [rash].", "negative " * 5),
        ("Denies [chest pain] but admits to [nausea].", "negative -"),
        ("No [rash] but [fever].", "negative -"),
        ("Possible [rash], although [fever] is high.", "neutralPossible -"),
        ("No evidence of [pneumonia].", "negative"),
        ("No findings suggesting [osteomyelitis].", "negative"),
        ("Patient is not complaining of [pain].", "negative"),
        ("[Fever]: none. [Cough]: yes.", "negative -"),
        ("[Pneumonia] was ruled out.", "negative"),
        ("[Chest pain] has resolved.", "negative"),
        ("Negative for [cough]; positive for [wheeze].", "negative -"),
        ("[Dyspnea] without [orthopnea].", "- negative"),
        ("He has no [pain] and has [swelling].", "negative -"),
        ("NO   ACUTE [FRACTURE].", "negative"),
        ("There is no [edema]. There is [rash].", "negative -"),
        ("Never had [jaundice].", "negative"),
        # what only looks like negation
        ("Not only [pain] but also [swelling].", "- -"),
        ("No change in [edema].", "-"),
        ("Gram negative [sepsis].", "-"),
        ("[Pain] is not relieved by rest.", "-"),
        ("[Nausea], no [vomiting].", "- negative"),
        ("Noted [swelling]; knows of no [allergy].", "- negative"),
        # uncertainty
        ("Possible [pneumonia].", "neutralPossible"),
        ("Cannot rule out [embolism].", "neutralPossible"),
        ("[Embolism] cannot be excluded.", "neutralPossible"),
        ("R/o [infarction].", "neutralPossible"),
        ("?[appendicitis]", "neutralPossible"),
        ("[Pneumonia] versus [bronchitis].", "neutralPossible neutralPossible"),
        ("[Pneumonia], possible [effusion].", "- neutralPossible"),
        ("Probable [gout].", "positivePossible"),
        ("Findings are consistent with [cirrhosis].", "positivePossible"),
        ("[Sepsis] is likely.", "positivePossible"),
        ("[Embolism] unlikely, [pneumonia] likely.", "negativePossible positivePossible"),
        ("No definite [fracture].", "negativePossible"),
        ("Low suspicion for [stroke].", "negativePossible"),
        # history
        ("H/o [asthma].", "past"),
        ("History of [stroke].", "past"),
        ("Status post [appendectomy].", "past"),
        ("Past medical history: [asthma], [COPD].", "past past"),
        ("He had [malaria] in the past.", "past"),
        ("History of [asthma], now with [dyspnea].", "past -"),
        ("She has a 3-week history of [cough].", "-"),
        ("History of present illness: [cough].", "-"),
        ("A 60 year old with [cough].", "-"),
        # hypothetical
        ("If [fever] then return.", "hypothetical"),
        ("Return if [fever] or [vomiting] develops.", "hypothetical hypothetical"),
        ("At risk for [falls].", "hypothetical"),
        ("[Acetaminophen] as needed for [pain].", "- hypothetical"),
        ("Watch for [bleeding].", "hypothetical"),
        ("He returned to work despite [pain].", "-"),
        # conditional
        ("[Chest pain] on exertion.", "conditional"),
        ("[Dyspnea] when climbing stairs.", "conditional"),
        # experiencer
        ("Mother with [breast cancer].", "other"),
        ("Family history of [diabetes]; the patient has [hypertension].", "other -"),
        ("Her mother had [diabetes] and she has [asthma].", "other -"),
        ("[Melanoma] in his brother.", "other"),
        ("Mother reports that he has [fever].", "-"),
        ("He was brought in by his wife with [confusion].", "-"),
        # future
        ("He is scheduled for [colonoscopy].", "future"),
        ("The patient will undergo [lobectomy] next week.", "future"),
        # several axes
        ("No family history of [cancer].", "negative,other"),
        ("No history of [stroke].", "negative,past"),
    ],
)  # fmt: skip
def test_a_sentence(sentence: str, values: str) -> None:
    assert unusual(sentence) == values.split()


def test_the_cue_that_decided_is_the_evidence() -> None:
    text, _ = marked("Mother has no   history of [stroke].")
    ((assertion, _, evidence),) = judge("Mother has no   history of [stroke].")
    assert assertion == ("negative", "none", "other", "past")
    said = {cue.kind: text[cue.span.start : cue.span.end] for cue in evidence}
    assert said == {"experiencer": "Mother has", "negation": "no   history of", "history": "no   history of"}
    assert [cue.span for cue in evidence] == sorted(cue.span for cue in evidence)


def test_no_cue_no_evidence() -> None:
    ((assertion, _, evidence),) = judge("The patient has [pain].")
    assert assertion == tuple(PLAIN.values())
    assert evidence == ()


def test_a_sure_model_overrules_a_cue_and_its_absence() -> None:
    row = UNSURE.copy()
    row[:5] = [0.98, 0.005, 0.005, 0.005, 0.005]
    ((assertion, confidence, evidence),) = judge("No [fever].", row)
    assert (assertion[0], evidence) == ("positive", ())
    assert confidence[0] == pytest.approx(0.98)
    row[:5] = [0.01, 0.0, 0.0, 0.01, 0.98]
    ((assertion, confidence, evidence),) = judge("Marked [fever].", row)
    assert (assertion[0], evidence) == ("negative", ())
    assert confidence[0] == pytest.approx(0.98)


def test_a_cue_of_doubt_stands_where_the_model_is_nearly_sure() -> None:
    row = UNSURE.copy()
    row[:5] = [0.98, 0.005, 0.005, 0.005, 0.005]
    ((assertion, _, evidence),) = judge("Possible [pneumonia].", row)
    assert assertion[0] == "neutralPossible"
    assert [cue.kind for cue in evidence] == ["uncertainty"]
    row[:5] = [1.0, 0.0, 0.0, 0.0, 0.0]
    ((assertion, _, evidence),) = judge("Possible [pneumonia].", row)
    assert (assertion[0], evidence) == ("positive", ())


def test_an_unsure_model_yields_and_agreement_raises_confidence() -> None:
    row = UNSURE.copy()
    row[:5] = [0.9, 0.0, 0.0, 0.0, 0.1]
    ((assertion, confidence, _),) = judge("No [fever].", row)
    assert assertion[0] == "negative"
    row[:5] = [0.1, 0.0, 0.0, 0.0, 0.9]
    ((_, agreed, _),) = judge("No [fever].", row)
    assert 0.1 < confidence[0] < 0.9 < agreed[0] < 1


def test_a_cue_does_not_cross_a_sentence_end() -> None:
    assert unusual("There is no [rash]. [Fever] is high. No [cough].") == ["negative", "-", "negative"]


def test_words_of_other_concepts_do_not_count_as_distance() -> None:
    listed = ", ".join(f"[concept number {n} of a very long list]" for n in range(12))
    assert unusual(f"Denies {listed}.") == ["negative"] * 12
    assert unusual(f"Denies {listed.replace('[', '').replace(']', '')} and [pain].") == ["-"]


def test_the_table_is_well_formed() -> None:
    lines = Path(cues.__file__).with_name("cues.tsv").read_text(encoding="utf-8").splitlines()
    assert "Apache-2.0" in "".join(line for line in lines if line.startswith("#"))
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    values = {value for names in AXES.values() for value in names} | {"-"}
    for kind, place, value, phrase in rows:
        assert kind in {*phrases.AXIS_OF, "any"}
        assert place in {"before", "after", "adjacent", "answer", "between", "joined", "pseudo", "stop"}
        assert value in values
        assert phrase == " ".join(phrase.lower().split())
    assert len({(kind, place, phrase) for kind, place, _, phrase in rows}) == len(rows)


PHRASES = st.sampled_from(
    [
        "no ",
        "fever",
        "denies",
        " but ",
        ". ",
        "\n",
        "  ",
        "history of ",
        "É",
        "\u0301",
        "😀",
        "if",
        ",",
        "?",
        "\ud800",
    ]
)


@settings(deadline=None)
@given(st.lists(PHRASES, max_size=25).map("".join), st.data())
def test_any_text_and_spans_give_valid_judgements(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True).map(sorted))
    spans = [Span(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    judged = cues.resolve([(text, spans)], np.tile(UNSURE, (len(spans), 1)))
    assert len(judged) == len(spans)
    for span, (assertion, confidence, evidence) in zip(spans, judged, strict=True):
        assert all(value in names for value, names in zip(assertion, AXES.values(), strict=True))
        assert all(0 <= number <= 1 for number in confidence)
        for cue in evidence:
            assert 0 <= cue.span.start < cue.span.end <= len(text)
            assert not cue.span.overlaps(span)


def test_time_grows_with_the_text_alone() -> None:
    def seconds(times: int) -> float:
        text, spans = marked("no [fever] and if [pain] " * times)
        began = time.process_time()
        cues.resolve([(text, spans)], np.tile(UNSURE, (len(spans), 1)))
        return time.process_time() - began

    seconds(10)
    assert seconds(8_000) < 20 * max(seconds(1_000), 0.01)  # 8 in theory; 64 if it were quadratic
