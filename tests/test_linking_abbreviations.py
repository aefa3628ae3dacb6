"""What a note says that its abbreviations mean. In the cases, {braces} mark mentions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.linking.abbreviations import appositions, defined, definitions
from models.types import Span


def marked(sentence: str) -> tuple[str, list[Span]]:
    text, spans, at = "", [], 0
    for mention in re.finditer(r"\{([^}]*)\}", sentence):
        text += sentence[at : mention.start()]
        spans.append(Span(len(text), len(text) + len(mention[1])))
        text += mention[1]
        at = mention.end()
    return text + sentence[at:], spans


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # the letters of the short form, from the last to the first (Schwartz and Hearst)
        ("A renal cell carcinoma (RCC) was seen.", {"RCC": "renal cell carcinoma"}),
        ("Known coronary artery disease [CAD].", {"CAD": "coronary artery disease"}),
        ("heat shock transcription factor (HSF)", {"HSF": "heat shock transcription factor"}),
        ("methyl methanesulfonate sulfate (MMS)", {"MMS": "methyl methanesulfonate sulfate"}),
        ("chronic kidney disease (CKD, stage 3)", {"CKD": "chronic kidney disease"}),
        ("von Hippel-Lindau disease (VHL)", {"VHL": "von Hippel-Lindau disease"}),
        ("RCC (renal cell carcinoma)", {"RCC": "renal cell carcinoma"}),
        ("deep venous thrombosis (DVT) and pulmonary embolism (PE)", {
            "DVT": "deep venous thrombosis", "PE": "pulmonary embolism",
        }),
        ("low back pain (LBP). Lean body protein (LBP)", {"LBP": "low back pain"}),
        # what only looks like it
        ("The mass (seen before) is gone.", {}),
        ("Blood pressure (120/80)", {}),
        ("seen by her doctor (see above)", {}),
        ("(RCC)", {}),
        ("renal cell carcinoma. (RCC)", {}),
        ("no such letters here (XQZ)", {}),
        ("CAD (CAD)", {}),
        ("CAD of old (CAD)", {}),
        ("left (L)", {}),
    ],
)  # fmt: skip
def test_definitions_by_letters(text: str, found: dict[str, str]) -> None:
    assert definitions(text) == found


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("{adriamycin} ({ADR}) was given", {"ADR": "adriamycin"}),
        ("{tranexamic acid} ({tAMCA})", {"tAMCA": "tranexamic acid"}),
        ("{testosterone} ({T}, 5 mg/kg)", {"T": "testosterone"}),
        ("{phenobarbital} ({PB}: 15 mg)", {"PB": "phenobarbital"}),
        ("{calcium chloride} ({CaCl(2)})", {"CaCl(2)": "calcium chloride"}),
        ("{ibuprofen} ({naproxen})", {}),  # two drugs
        ("{ibuprofen} ({NSAID} class)", {}),
        ("{ADR} ({adriamycin})", {"ADR": "adriamycin"}),
        ("{DCE} ({adriamycin})", {}),
        ("{cyproterone acetate} plus {ethinylestradiol} ({CPA}/{EE})", {
            "CPA": "cyproterone acetate", "EE": "ethinylestradiol",
        }),
    ],
)  # fmt: skip
def test_definitions_by_mentions(sentence: str, found: dict[str, str]) -> None:
    text, spans = marked(sentence)
    assert definitions(text, spans) == found


texts = st.text(st.characters(), max_size=60) | st.text("ab AB ()[],;:/.\n-", max_size=60)
spans = st.lists(st.builds(Span, st.integers(-5, 70), st.integers(-5, 70)), max_size=6)


@settings(deadline=None)
@given(texts, spans)
def test_any_text_and_spans_are_read_and_definitions_lie_in_the_text(text: str, mentions: list[Span]) -> None:
    inside = [span for span in mentions if 0 <= span.start < span.end <= len(text)]
    for short, long in [*defined(text, inside), *appositions(text, inside)]:
        assert 0 <= short.start < short.end <= len(text)
        assert 0 <= long.start < long.end <= len(text)
        assert not short.overlaps(long)
        assert len(long) > len(short)
    for form, meaning in definitions(text, mentions).items():
        assert form
        assert form in text
        assert meaning in text


words = st.text("abcdefghij", min_size=6, max_size=9)  # longer than any short form here


@settings(deadline=None)
@given(st.lists(words, min_size=2, max_size=5), st.lists(words, max_size=4))
def test_the_initials_of_the_words_before_are_always_understood(long: list[str], before: list[str]) -> None:
    short = "".join(word[0] for word in long).upper()
    text = " ".join([*before, *long]) + f" ({short})."
    meaning = definitions(text)[short]
    assert text.split(" (")[0].endswith(meaning)
    assert meaning[0] == long[0][0]
