import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.sections import CATEGORIES, categorise, find_sections, title_span
from models.types import Section
from streamer import samples

PIECES = st.sampled_from(
    [
        "HPI:",
        "PLAN",
        ",MEDICATIONS: ,",
        "Vitals:",
        "BP: 120/80",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        ".",
        ",",
        ":",
        "**Plan**",
        "## Exam",
        "the patient",
        "FOO BAR:",
        "é",
        "e\u0301",
        "😀",
        "\x00",
        "\u2028",
        "שלום",
        "ALLERGIES",
        "1. ",
        "- ",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("".join))


def headed(text: str) -> list[tuple[str, str]]:
    return [(section.title, section.category) for section in find_sections(text)]


def bodies(text: str) -> list[str]:
    return [text[section.body : section.span.end].strip() for section in find_sections(text)]


def check_cover(text: str, sections: list[Section]) -> None:
    assert sections[0].span.start == 0
    assert sections[-1].span.end == len(text)
    assert all(a.span.end == b.span.start for a, b in pairwise(sections))
    assert [section.id for section in sections] == [f"s{n}" for n in range(1, len(sections) + 1)]
    for section in sections:
        assert section.category in CATEGORIES
        assert section.span.start <= section.body <= section.span.end
        where = title_span(text, section)
        assert (where is None) == (section.title == "")
        assert where is None or text[where.start : where.end] == section.title


@settings(max_examples=500, deadline=None)
@given(TEXTS)
@example("")
@example("\r\n")
@example("PLAN:")
def test_sections_cover_any_text_without_gap_or_overlap(text: str) -> None:
    check_cover(text, find_sections(text))


def test_headings_of_every_common_shape_open_their_section() -> None:
    text = (
        "Seen today.\nCHIEF COMPLAINT:\nCough.\n\nHPI: Two days of cough.\nPast Medical History\nAsthma.\n"
        "**Plan**\nRest.\n## Assessment\nCold.\n__Labs:__ none\n"
        "FAMILY HISTORY\n\nMother: asthma.\nallergies: none"
    )
    assert headed(text) == [
        ("", "unknown"),
        ("CHIEF COMPLAINT", "chief_complaint"),
        ("HPI", "history_of_present_illness"),
        ("Past Medical History", "past_medical_history"),
        ("Plan", "plan"),
        ("Assessment", "assessment"),
        ("Labs", "labs"),
        ("FAMILY HISTORY", "family_and_social_history"),
        ("allergies", "allergy"),
    ]
    assert bodies(text)[1:3] == ["Cough.", "Two days of cough."]


def test_headings_are_found_where_line_breaks_were_lost() -> None:
    text = "SUBJECTIVE:,  Cough, at night.,MEDICATIONS: , None. ,OBJECTIVE:,Vitals:  BP 120.,PLAN:,1.  Rest."
    assert headed(text) == [
        ("SUBJECTIVE", "history_of_present_illness"),
        ("MEDICATIONS", "medications"),
        ("OBJECTIVE", "exam"),
        ("PLAN", "plan"),
    ]
    assert bodies(text)[0] == "Cough, at night.,"


@pytest.mark.parametrize(
    "line",
    [
        "BP: 120/80",
        "HEENT: normal",
        "WBC: 5.4",
        "SODIUM: 140",
        "Vitals: stable",
        "Mother: asthma",
        "Surgery.",
        "ASPIRIN",
        "He takes these medications: aspirin",
        "10:30 seen again",
        "• Cardiovascular: no murmur",
        "NECK/BACK: ok",
    ],
)
def test_lines_within_a_section_open_none(line: str) -> None:
    text = f"PHYSICAL EXAM:\nWell.\n{line}\nDone.\n"
    assert headed(text) == [("PHYSICAL EXAM", "exam")]


def test_unknown_words_in_capitals_with_a_colon_keep_their_title() -> None:
    assert headed("HPI: cough.\nSPACE SUIT FITTING: tight.\n") == [
        ("HPI", "history_of_present_illness"),
        ("SPACE SUIT FITTING", "unknown"),
    ]
    assert headed("HPI: cough.\n\nSPACE SUIT FITTING\nIt was tight.")[1] == ("SPACE SUIT FITTING", "unknown")
    assert len(headed("HPI: cough.\nSPACE SUIT FITTING\nIt was tight.")) == 1, (
        "a line of running text in capitals"
    )
    assert len(headed("MEDICATIONS\n\nFISH OIL\n\nVITAMIN D\n")) == 1, "a list in capitals"


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("Past Medical & Surgical History", "past_medical_history"),
        ("PREOPERATIVE DIAGNOSIS (ES)", "diagnosis"),
        ("MEDICATIONS BEFORE THE ACCIDENT", "medications"),
        ("A/P", "assessment"),
        ("SHx", "family_and_social_history"),
        ("ED COURSE", "emergency_department_course"),
        ("HOSPITAL COURSE", "unknown"),
        ("HEENT", None),
        ("Heart and Lungs", None),
    ],
)
def test_a_title_says_its_category(title: str, category: str | None) -> None:
    assert categorise(title) == category


def test_findings_belong_to_the_operation_they_follow() -> None:
    assert headed("PROCEDURE: Colonoscopy.\nFINDINGS: A polyp.")[1] == ("FINDINGS", "procedures")
    assert headed("COMPARISON: None.\nFINDINGS: Clear lungs.")[1] == ("FINDINGS", "imaging")


def test_bundled_notes_mostly_have_known_sections() -> None:
    found = [section for note in samples.load() for section in find_sections(note["text"])]
    known = [section for section in found if section.category != "unknown"]
    assert len(known) / len(found) > 0.85


MILLION = {
    "one word": "a" * 10**6,
    "spaces": " " * 10**6,
    "line breaks": "\r\n" * 500_000,
    "full stops": "." * 10**6,
    "colons": ":" * 10**6,
    "capitals": "A" * 10**6,
    "commas and capitals": ",AB" * 333_333,
    "headings": "PLAN:\n" * 160_000,
    "lost line breaks": ",PLAN: x" * 125_000,
    "brackets": "(" * 10**6,
    "capital lines": "AB CD EF\n\n" * 100_000,
    "white space lines": (" " * 999 + "\n") * 1000,
}


@pytest.mark.parametrize("name", MILLION)
def test_a_million_characters_of_anything_take_seconds(name: str) -> None:
    started = time.process_time()
    check_cover(MILLION[name], find_sections(MILLION[name]))
    assert time.process_time() - started < 30, "a quadratic search would take hours"
