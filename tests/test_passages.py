import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.passages import CUT_ONE_IN, chosen, split
from models.sections import find_sections
from models.sentences import sentences
from models.types import Passage
from streamer import samples

WORDS = (
    "patient",
    "reports",
    "cough",
    "denies",
    "fever",
    "tablet",
    "daily",
    "naïve",
    "emoji😀",
    "cafe\u0301",
)
HEADINGS = ("HPI:", "PAST MEDICAL HISTORY:", "PLAN:", "ALLERGIES:", "PHYSICAL EXAM:")
SENTENCE = st.lists(st.sampled_from(WORDS), min_size=2, max_size=9).map(
    lambda words: " ".join(words).capitalize() + "."
)
LINE = st.lists(SENTENCE, min_size=1, max_size=12)
BLOCK = st.tuples(st.sampled_from(HEADINGS), st.lists(LINE, min_size=1, max_size=4))
PIECES = st.sampled_from(
    [
        "PLAN:",
        ",HPI: ,",
        "Vitals:",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        ".",
        ". ",
        "1. ",
        "- ",
        "a",
        "A",
        "😀",
        "\x00",
        "e\u0301",
    ]
)


def passages_of(text: str) -> list[Passage]:
    return split(text, find_sections(text))


def new_passages(before: str, after: str) -> list[str]:
    known = {passage.text for passage in passages_of(before)}
    return [passage.text for passage in passages_of(after) if passage.text not in known]


@settings(max_examples=600, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_passages_cover_every_visible_character_once(text: str) -> None:
    sections = {section.id: section for section in find_sections(text)}
    seen = 0
    for passage in passages_of(text):
        span, section = passage.span, sections[passage.section]
        assert section.span.start <= seen or seen <= span.start
        assert not text[seen : span.start].strip(), "nothing visible between passages"
        assert section.span.start <= span.start < span.end <= section.span.end
        assert passage.text == text[span.start : span.end] == passage.text.strip()
        seen = span.end
    assert not text[seen:].strip()


@settings(max_examples=150, deadline=None)
@given(blocks=st.lists(BLOCK, min_size=1, max_size=6), edit=SENTENCE, data=st.data())
def test_editing_one_sentence_changes_at_most_two_passages(
    blocks: list[tuple[str, list[list[str]]]], edit: str, data: st.DataObject
) -> None:
    def written() -> str:
        return "\n\n".join(h + "\n" + "\n".join(" ".join(line) for line in lines) for h, lines in blocks)

    before = written()
    line = data.draw(st.sampled_from([line for _, lines in blocks for line in lines]))
    place = data.draw(st.integers(0, len(line) - 1))
    how = data.draw(st.sampled_from(["replace", "insert", "delete"]))
    line[place : place + (how != "insert")] = [] if how == "delete" else [edit]
    assert len(new_passages(before, written())) <= 2


def long_note(words: int) -> tuple[str, list[str]]:
    """A note of at least so many words, and its running sentences, each only once in it."""
    texts: list[str] = []
    while sum(len(text.split()) for text in texts) < words:
        texts.append(samples.load()[len(texts)]["text"].replace("\r\n", "\n"))
    note = "\n\n".join(texts)
    spans = [s for s in sentences(note, 0, len(note)) if len(s) > 40]
    said = [note[s.start : s.end] for s in spans]
    return note, [
        s for s in said if s.endswith(".") and note.count(s) == 1 and s[0].isupper() and ":" not in s
    ]


def test_one_sentence_of_a_note_of_3000_words_changes_at_most_two_passages() -> None:
    note, said = long_note(3000)
    chance = random.Random(1)
    assert len(passages_of(note)) > 60
    for sentence in chance.sample(said, 25):
        worse = sentence[:-1] + " and has become worse since."
        assert 1 <= len(new_passages(note, note.replace(sentence, worse))) <= 2
        assert len(new_passages(note, note.replace(sentence, ""))) <= 2
        assert len(new_passages(note, note.replace(sentence, sentence + " He was seen again."))) <= 2


def test_an_addendum_leaves_all_earlier_passages_alone() -> None:
    note, _ = long_note(1000)
    assert new_passages(note, note + "\n\nADDENDUM: No fever since.") == ["ADDENDUM: No fever since."]


def test_a_heading_stays_with_what_it_heads() -> None:
    text = "CHIEF COMPLAINT\n\nAnnual exam.\n\nPLAN:\n\nRest."
    assert [passage.text for passage in passages_of(text)] == [
        "CHIEF COMPLAINT\n\nAnnual exam.",
        "PLAN:\n\nRest.",
    ]


def test_paragraphs_and_sections_are_never_joined() -> None:
    text = "HPI: One.\n\nTwo.\r\n\r\nThree.\nPLAN: Rest."
    assert [passage.text for passage in passages_of(text)] == ["HPI: One.", "Two.", "Three.", "PLAN: Rest."]


def test_cuts_are_the_same_in_every_process() -> None:
    program = "from models.passages import chosen; print([chosen(f'Sentence {n}.') for n in range(40)])"
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == str([chosen(f"Sentence {n}.") for n in range(40)])
    share = sum(chosen(f"Sentence {n}.") for n in range(3000)) / 3000
    assert share == pytest.approx(1 / CUT_ONE_IN, abs=0.02)


def test_passages_of_bundled_notes_fit_an_encoder() -> None:
    words = sorted(len(p.text.split()) for note in samples.load() for p in passages_of(note["text"]))
    assert 20 < sum(words) / len(words) < 120
    assert words[int(0.95 * len(words))] < 180
