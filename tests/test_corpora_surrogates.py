"""Made-up identifiers: what they look like, what is labelled, and what is left open."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.scheme import PHI, Document
from models.corpora.surrogates import surrogate_documents
from models.corpora.surrogates.draft import SLOT, Draft
from models.corpora.surrogates.notes import Notes, add_note
from models.corpora.surrogates.numbers import (
    VIN_SIGNS,
    VIN_VALUES,
    VIN_WEIGHTS,
    card,
    dea,
    iban,
    npi,
    pattern,
    ssn,
    vin,
)
from models.corpora.surrogates.slots import SLOTS, Scene
from models.corpora.surrogates.tables import templates

NOTES = [
    "CHIEF COMPLAINT: Cough.\n"
    "The patient was seen by Dr. X on 03/14/2005 at ABC Hospital. He is from Trumpington and 95 years old. "
    "The cough is dry. Blood pressure 120/80, strength 5/5, fever since 10/87. Cough is worse at night. "
    "He was told so in May 2006. Seen on Monday. The patient denies pain. It was a dry cough on the left. "
    "Lab 44812-3 was low. Seen worse. He sleeps badly. Strength was low and the pressure left dry at night. "
    "His chief complaint was the cough, a chief complaint it had been.",
    "She denies cough and pain and fever. Night was seen. The left is worse. [doctor] hi jane",
]


def scene(seed: int = 1, daily: bool = False) -> Scene:
    return Scene(random.Random(seed), daily, 0.3)


def filled(template: str, seed: int = 1, daily: bool = False) -> Draft:
    draft = Draft()
    draft.fill(template, scene(seed, daily))
    return draft


def said(draft: Draft | Document) -> list[tuple[str, str]]:
    spans = draft.spans if isinstance(draft, Draft) else draft.layers["phi"].spans
    return [(draft.text[s.start : s.end], "/".join(s.allowed) or "?") for s in spans]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return surrogate_documents(1500, NOTES, random.Random(5))


def test_every_label_lies_in_its_text_and_apart_from_the_others(documents: list[Document]) -> None:
    assert len({document.id for document in documents}) == 1500
    for document in documents:
        layer = document.layers["phi"]
        end = 0
        for span in layer.spans:
            text = document.text[span.start : span.end]
            assert text
            assert text == text.strip()
            assert span.start >= end
            end = span.end
        assert set(PHI) - {"PROFESSION"} <= layer.covered <= set(PHI)


def test_all_categories_occur_and_many_texts_have_none(documents: list[Document]) -> None:
    found = {name for d in documents for s in d.layers["phi"].spans for name in s.allowed}
    assert found == set(PHI)
    assert sum(not d.layers["phi"].spans for d in documents) > 60


def test_the_same_state_of_chance_gives_the_same_texts(documents: list[Document]) -> None:
    again = surrogate_documents(1500, NOTES, random.Random(5))
    assert again == documents
    assert surrogate_documents(20, NOTES, random.Random(6)) != documents[:20]


def test_without_notes_there_are_templates_only() -> None:
    assert len(surrogate_documents(50, [], random.Random(1))) == 50


def test_no_slot_is_left_and_none_is_unknown(documents: list[Document]) -> None:
    for name in ("daily", "queries", "clinical", "negatives", "headers", "endings"):
        for template in templates(name):
            assert {slot[1] for slot in SLOT.finditer(template)} <= SLOTS.keys(), template
    assert not [d for d in documents if SLOT.search(d.text)]
    assert len(templates("daily")) >= 300


def test_templates_called_negative_have_no_label() -> None:
    for number, template in enumerate(templates("negatives")):
        assert said(filled(template, number)) == []


def test_ages_under_ninety_are_none_in_clinical_texts() -> None:
    for seed in range(30):
        assert said(filled("{young} {sex}, mother died at {under}", seed)) == []
        ((years, category),) = said(filled("a {old} {sex}", seed))
        assert category == "AGE"
        assert int(years) >= 90
        assert [category for _, category in said(filled("I am {age}", seed, daily=True))] == ["AGE"]


def test_a_form_of_address_is_in_the_name_of_a_patient_only() -> None:
    (in_note,) = said(filled("{mr} is here"))
    assert in_note[0].startswith(("Mr", "Ms", "Miss"))
    outside, name = said(filled("{mr} is here", daily=True))
    assert (outside[1], name[1]) == ("?", "NAME")


def test_a_digit_stands_for_the_same_person() -> None:
    draft = filled("{name1} and {first2}; {last1}, {first1}")
    (full, _), (other, _), (last, _), (first, _) = said(draft)
    assert full.startswith(first)
    assert full.endswith(last)
    assert other != first


def test_pronouns_begin_sentences_in_capitals() -> None:
    assert filled("{he} is. {he} was, and {he} will.", 3).text in (
        "He is. He was, and he will.", "She is. She was, and she will."
    )  # fmt: skip


def luhn_holds(digits: str) -> bool:
    turned = [int(digit) for digit in reversed(digits)]
    return (sum(turned[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in turned[1::2])) % 10 == 0


@settings(deadline=None)
@given(st.integers())
def test_numbers_have_the_check_digits_of_real_ones(seed: int) -> None:
    chance = random.Random(seed)
    assert luhn_holds(re.sub(r"\D", "", card(chance)))
    assert luhn_holds("80840" + npi(chance))
    letters, digits = dea("Ruiz", chance)[:2], [int(d) for d in dea("Ruiz", random.Random(seed))[2:]]
    assert letters[1] == "R"
    assert (digits[0] + digits[2] + digits[4] + 2 * (digits[1] + digits[3] + digits[5])) % 10 == digits[6]
    car = vin(chance)
    total = sum(VIN_VALUES[VIN_SIGNS.index(s)] * w for s, w in zip(car, VIN_WEIGHTS, strict=True))
    assert car[8] == "0123456789X"[total % 11]
    bank = iban(chance).replace(" ", "").replace("-", "")
    assert int("".join(str(int(sign, 36)) for sign in bank[4:] + bank[:4])) % 97 == 1
    area, group, serial = re.fullmatch(r"(\d{3})\D?(\d\d)\D?(\d{4})", ssn(chance)).groups()  # type: ignore[union-attr]
    assert "000" < area < "900"
    assert area != "666"
    assert group != "00"
    assert serial != "0000"


def test_words_in_the_form_of_a_number_stay() -> None:
    assert re.fullmatch(r"Apt\. \d [A-Z]\d", pattern("Apt. 9 A9", random.Random(1)))


def note(seed: int) -> tuple[Draft, frozenset[str]]:
    draft = Draft()
    covered = add_note(draft, Notes(NOTES[:1]), scene(seed))
    return draft, covered


def test_blanked_names_and_dates_of_notes_are_filled_in() -> None:
    texts = [note(seed)[0] for seed in range(60)]
    assert not [d for d in texts if re.search(r"by Dr\. X |\bABC\b|03/14/2005", d.text)]
    categories = {category for d in texts for _, category in said(d)}
    assert {"NAME", "DATE", "LOCATION", "AGE"} <= categories
    assert ("95", "AGE") in [pair for d in texts for pair in said(d)]
    assert ("May 2006", "DATE") in [pair for d in texts for pair in said(d)]


def test_what_may_identify_in_a_note_is_anything_and_what_is_ordinary_is_not() -> None:
    pairs = [pair for seed in range(60) for pair in said(note(seed)[0])]
    assert ("Trumpington", "?") in pairs
    assert ("44812-3", "?") in pairs
    assert ("10/87", "?") in pairs
    assert ("Monday", "?") in pairs
    assert not {"Cough", "The", "120/80", "5/5", "COMPLAINT", "CHIEF"} & {text for text, _ in pairs}


def test_a_note_s_dialogue_is_left_out() -> None:
    notes = Notes(NOTES)
    assert "jane" not in notes.ordinary
    assert all("[doctor]" not in text for text in notes.texts)
    assert "jane" not in repr(notes)


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(("lower", "upper")))
def test_a_change_of_case_moves_nothing(text: str, case: str) -> None:
    draft = Draft()
    draft.add("İß ")
    draft.add("x" + text + "x", "NAME")
    document = draft.document("d", case=case)
    (span,) = document.layers["phi"].spans
    assert len(document.text) == len(draft.text)
    assert document.text[span.start : span.end].lower().startswith("x")


def test_a_draft_does_not_show_its_text() -> None:
    assert repr(filled("Jane")) == "Draft(<4 characters>)"
