"""Forms of names: spellings of one name meet, names of two things do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.linking import forms
from models.linking.index import normal
from models.linking.looks import covered, likeness
from models.linking.rules import rules


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anaemia", "anemia"),
        ("oesophageal tumours", "Esophageal tumor"),
        ("sulphasalazine", "sulfasalazine"),
        ("leucopenia", "leukopenia"),
        ("diabetes mellitus, type II", "Type 2 diabetes mellitus"),
        ("type I diabetes", "diabetes type 1"),
        ("Alzheimer’s disease", "Alzheimer disease"),
        ("Addisons disease", "Addison's disease"),
        ("carcinoma of the lung", "lung carcinomas"),
        ("diagnoses", "diagnosis"),
        ("metastases", "metastasis"),
        ("biopsies", "biopsy"),
        ("carcinomata", "carcinoma"),
        ("abscesses", "abscess"),
        ("viruses", "virus"),
        ("diseases", "disease"),
        ("α-tocopherol", "alpha tocopherol"),
        ("Sjögren syndrome", "Sjogren syndrome"),
        ("FK-506", "FK506"),
        ("CaCl(2)", "CaCl2"),
        ("17beta-estradiol", "17-beta estradiol"),
        ("ataxia-telangiectasia", "ataxia telangiectasia"),
    ],
)
def test_spellings_of_one_name_meet(one: str, other: str) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hypertension", "hypotension"),
        ("type 1 diabetes", "type 2 diabetes"),
        ("vitamin B6", "vitamin B12"),
        ("hepatitis B", "hepatitis C"),
        ("complement C3", "complement C5"),
        ("factor V deficiency", "factor X deficiency"),
    ],
)
def test_names_of_two_things_do_not_meet(one: str, other: str) -> None:
    assert normal(one) != normal(other)


def test_a_name_of_marks_alone_has_no_form() -> None:
    assert forms.words("--- (!)") == []
    assert forms.words("the") == ["the"]


texts = st.text(st.characters(), max_size=30) | st.text("aeiou'sSßΣς’ \n-12IVαé", max_size=30)


@settings(deadline=None)
@given(texts)
def test_words_never_raise_and_have_neither_case_nor_marks(text: str) -> None:
    found = forms.words(text)
    assert found == forms.words(text)
    assert all(word and word.isalnum() for word in found)


@settings(deadline=None)
@given(st.lists(texts, max_size=6))
def test_forms_of_many_are_those_of_each(names: list[str]) -> None:
    assert forms.forms_of(names) == [" ".join(forms.words(name)) for name in names]


@settings(deadline=None)
@given(st.data(), st.lists(st.text("abcde", min_size=1, max_size=8), max_size=6))
def test_word_order_does_not_matter(data: st.DataObject, words: list[str]) -> None:
    assert forms.key(data.draw(st.permutations(words))) == forms.key(words)


# --- words that mean the same, or little -------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("drug", "metoprolol succinate", "metoprolol"),
        ("drug", "bupropion HCl", "bupropion"),
        ("drug", "D-penicillamine", "penicillamine"),
        ("drug", "sodium warfarin", "warfarin"),
        ("problem", "renal disease", "kidney disorders"),
        ("problem", "gastric carcinoma", "stomach cancer"),
        ("problem", "Lesch-Nyhan", "Lesch-Nyhan syndrome"),
        ("problem", "cardiovascular disease", "cardiovascular system disease"),
    ],
)
def test_loose_forms_meet(kind: str, one: str, other: str) -> None:
    of_kind = rules("drug" if kind == "drug" else "problem")
    assert sorted(of_kind.loose(forms.words(one))) == sorted(of_kind.loose(forms.words(other)))


def test_a_name_of_words_that_mean_little_keeps_them() -> None:
    assert rules("drug").loose(forms.words("sodium chloride")) == forms.words("sodium chloride")
    assert rules("problem").loose(forms.words("disease")) == forms.words("disease")


def test_looser_forms_come_from_the_surest_on_and_never_twice() -> None:
    words = forms.words("acute renal damage")
    assert rules("problem").looser(words) == [["kidney", "damag"], ["acut", "kidney"], ["kidney"]]
    assert rules("problem").looser(["kidney"]) == []


# --- looks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "other", "like"),
    [
        ("amphotercin", "amphotericin", True),
        ("neutropenic", "neutropenia", True),
        ("sirolmus", "sirolimus", True),
        ("hypercalcemia", "hypocalcemia", False),
        ("tachycardia", "bradycardia", False),
        ("stable", "unstable", False),
        ("ketosis", "keratosis", False),
        ("dystonia", "dysphonia", False),
        ("arthritis", "arteritis", False),
        ("hyperkalemia", "hypercalcemia", False),
    ],
)
def test_slips_and_endings_are_alike_and_other_words_are_not(word: str, other: str, like: bool) -> None:
    assert (likeness(word, other) > 0) is like
    assert (likeness(other, word) > 0) is like


@settings(deadline=None)
@given(st.text("abcd", min_size=1, max_size=14), st.text("abcd", min_size=1, max_size=14))
def test_likeness_is_a_share_and_the_same_both_ways(word: str, other: str) -> None:
    assert likeness(word, other) == likeness(other, word)
    assert 0 <= likeness(word, other) <= 1
    assert likeness(word, word) == 1


def test_what_a_name_says_more_than_the_mention_counts_against_it() -> None:
    assert covered(["nodul"], ["thyroid", "nodul"]) == 1
    assert covered(["rheumatoid", "nodul"], ["nodul"]) == pytest.approx(1 / 3)
    assert covered([], ["nodul"]) == 0
    assert covered(["nodul"], []) == 0
