import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentences import sentences
from models.types import Span

PIECES = st.sampled_from(
    [
        "Pain",
        "pain",
        ". ",
        ".",
        "? ",
        "! ",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "Dr. ",
        "b.i.d. ",
        "1. ",
        "2) ",
        "- ",
        "• ",
        "2.5",
        ".,",
        ",",
        '."',
        "é",
        "😀",
        "\x00",
        "\x1c",
        "\u2003",
        "\u2028",
        "No. ",
        "A. ",
        "w" * 60,
    ]
)


def said(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text, 0, len(text))]


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join)), st.data())
def test_every_visible_character_lies_in_one_trimmed_sentence(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    spans = sentences(text, start, end)

    covered = [place for span in spans for place in range(span.start, span.end)]
    assert covered == sorted(set(covered))
    assert {p for p in range(start, end) if not text[p].isspace()} <= set(covered) <= set(range(start, end))
    assert all(text[s.start : s.end].strip() == text[s.start : s.end] != "" for s in spans)


@pytest.mark.parametrize(
    "text",
    [
        "He was seen by Dr. Smith and Mrs. Jones.",
        "Lasix 20 mg p.o. b.i.d. for edema, hold if K 2.5 or so.",
        "CHF vs. COPD was discussed.",
        "A No. 5 catheter was used.",
        "J. Smith signed e.g. Monday's note.",
        "Any other word? and more.",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert said(text) == [text]


def test_sentences_end_at_their_marks() -> None:
    text = 'Takes Lasix 20 mg b.i.d. Metoprolol too. Any pain? No. He said "stop." Left at 9. Seen again.'
    assert said(text) == [
        "Takes Lasix 20 mg b.i.d.",
        "Metoprolol too.",
        "Any pain?",
        "No.",
        'He said "stop."',
        "Left at 9.",
        "Seen again.",
    ]


def test_list_items_are_sentences_and_their_numbers_are_not() -> None:
    text = "1. Aspirin 81 mg\n2) Zocor\r\n- bullet\n• another\na. letter\nPlan as follows: 1. Rest."
    assert said(text) == [
        "1. Aspirin 81 mg",
        "2) Zocor",
        "- bullet",
        "• another",
        "a. letter",
        "Plan as follows: 1. Rest.",
    ]


def test_a_hard_wrapped_line_goes_on() -> None:
    wrapped = "The patient was seen in the clinic for a cough that has lasted\r\nthree weeks and is dry."
    assert said(wrapped) == [wrapped]
    assert said("seen by the neurologist who is called Dr.\nSmith.") == [
        "seen by the neurologist who is called Dr.\nSmith."
    ]


def test_blank_and_short_lines_end_sentences() -> None:
    assert said("Penicillin\nSulfa\n\nlatex") == ["Penicillin", "Sulfa", "latex"]
    unfinished = "A line of more than fifty characters that has no end mark at all"
    assert said(f"{unfinished}\r\n\r\nand another") == [unfinished, "and another"]


def test_a_comma_that_was_a_line_break_ends_a_sentence() -> None:
    assert said("Clear.,2.  Samples given.,Return. WBC 11,000.") == [
        "Clear.,",
        "2.  Samples given.,",
        "Return.",
        "WBC 11,000.",
    ]


def test_only_the_asked_stretch_is_read() -> None:
    assert sentences("One. Two. Three.", 5, 9) == [Span(5, 9)]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        ". " * 500_000,
        "1. " * 330_000,
        "1.\n" * 330_000,
        "." * 10**6,
        " " * 10**6 + ".",
        "\n" * 10**6,
        '."' * 500_000,
        "Dr. A " * 160_000,
        ("w" * 60 + "\n") * 16_000,
        "abc,\n" * 200_000,
        ("\n" + " " * 999) * 1000,
    ],
    ids=range(12),
)
def test_a_million_characters_of_anything_take_seconds(text: str) -> None:
    started = time.process_time()
    sentences(text, 0, len(text))
    assert time.process_time() - started < 30, "a quadratic search would take hours"
