"""What the patterns find, and what looks like it and is none."""

from __future__ import annotations

import random
import string
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.surrogates import numbers
from models.corpora.surrogates.tables import forms
from models.phi import find


def said(text: str) -> list[tuple[str, str]]:
    return [(text[one.span.start : one.span.end], one.category) for one in find(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Seen on 03/14/2023.", [("03/14/2023", "DATE")]),
        ("on 3/4/21, again 2021-03-04", [("3/4/21", "DATE"), ("2021-03-04", "DATE")]),
        ("log 2021-03-04 11:22:33 x", [("2021-03-04 11:22:33", "DATE")]),
        ("May 30th, 2022", [("May 30th, 2022", "DATE")]),
        ("Feb 15th 2023; Jan 20th '23", [("Feb 15th 2023", "DATE"), ("Jan 20th '23", "DATE")]),
        ("12th Jan 2023, 5 March 2021", [("12th Jan 2023", "DATE"), ("5 March 2021", "DATE")]),
        ("03-Mar-2021 and 04MAR21", [("03-Mar-2021", "DATE"), ("04MAR21", "DATE")]),
        ("since April 2023", [("April 2023", "DATE")]),
        ("on March 5 she", [("March 5", "DATE")]),
        ("born 14.03.1950", [("14.03.1950", "DATE")]),
        ("a 92-year-old man, aged 95", [("92", "AGE"), ("95", "AGE")]),
        ("SSN: 123-45-6789", [("123-45-6789", "SSN")]),
        ("his SSN is 987654321", [("987654321", "SSN")]),
        ("code 457-55-5462 here", [("457-55-5462", "SSN")]),
        ("MRN: 123-45-6789", [("123-45-6789", "MRN")]),
        ("(MRN: #SG-920311)", [("#SG-920311", "MRN")]),
        ("mrn#MP98765.", [("MP98765", "MRN")]),
        ("Medical Record Number 0012345", [("0012345", "MRN")]),
        ("patient ID 67890", [("67890", "MRN")]),
        ("NHS No: 943 476 5919", [("943 476 5919", "MRN")]),
        ("His insurance ID is ABC-987654.", [("ABC-987654", "HEALTH_PLAN_ID")]),
        ("policy #: W9912345", [("W9912345", "HEALTH_PLAN_ID")]),
        ("Account Number: 9876543210", [("9876543210", "ACCOUNT")]),
        ("card 4111 1111 1111 1111 was", [("4111 1111 1111 1111", "ACCOUNT")]),
        ("to GB82 WEST 1234 5698 7654 32", [("GB82 WEST 1234 5698 7654 32", "ACCOUNT")]),
        ("DEA AB1234563", [("AB1234563", "LICENSE")]),
        ("NPI: 1234567893", [("1234567893", "LICENSE")]),
        ("License No: CLN-112233", [("CLN-112233", "LICENSE")]),
        ("car 1M8GDM9AXKP042788 was", [("1M8GDM9AXKP042788", "VEHICLE")]),
        ("license plate 7ABC123", [("7ABC123", "VEHICLE")]),
        ("serial number PJN123456A", [("PJN123456A", "DEVICE")]),
        ("Accession #: S-21-00345", [("S-21-00345", "OTHER_ID")]),
        ("(ID: 987654321)", [("987654321", "OTHER_ID")]),
        ("call (415) 555-2671 x12", [("(415) 555-2671 x12", "PHONE")]),
        ("415.555.2671", [("415.555.2671", "PHONE")]),
        ("phone: 123-456-7890", [("123-456-7890", "PHONE")]),
        ("Tel +44 20 7946 0958", [("+44 20 7946 0958", "PHONE")]),
        ("Mobile: 0490 75 40 81", [("0490 75 40 81", "PHONE")]),
        ("fax 987-654-3210", [("987-654-3210", "FAX")]),
        ("Fax: 415-555-2671", [("415-555-2671", "FAX")]),
        ("write to a.b-c@d-e.co.uk.", [("a.b-c@d-e.co.uk", "EMAIL")]),
        ("see https://x.org/a?b=1, or www.y.de.", [("https://x.org/a?b=1", "URL"), ("www.y.de", "URL")]),
        ("at mychart.example.com today", [("mychart.example.com", "URL")]),
        ("from 10.0.0.12 and fe80::1:2:3", [("10.0.0.12", "IP_ADDRESS"), ("fe80::1:2:3", "IP_ADDRESS")]),
        ("Boston, MA 02115", [("02115", "LOCATION")]),
        ("ZIP: 7412 SL", [("7412 SL", "LOCATION")]),
        ("NPI 1234567893, account 85716378", [("1234567893", "LICENSE"), ("85716378", "ACCOUNT")]),
        ("S/N 40021689; see record 47553", [("40021689", "DEVICE"), ("47553", "MRN")]),
        ("Insurance: Cigna (ID 760002665X)", [("760002665X", "HEALTH_PLAN_ID")]),
        ("fax the notes to Dr. Li at 415-555-2671", [("415-555-2671", "FAX")]),
        ("truck with plate B-AU 214", [("B-AU 214", "VEHICLE")]),
        ("DOB: 19411220, date 3-4-21", [("19411220", "DATE"), ("3-4-21", "DATE")]),
        ("Age/Sex: 96 M", [("96", "AGE")]),
    ],
)  # fmt: skip
def test_what_identifies_is_found(text: str, found: list[tuple[str, str]]) -> None:
    assert said(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "BP 120/80, strength 5/5, vision 20/40, 3/6 murmur, 98/60/12.",
        "diagnosed in 2015, treated since 1998 with 325 mg #30, 5/325 q.6h.",
        "L4-L5, T12, C5-6; Gleason 3+4=7; GCS 14; HLA-B*57:01; ICD E11.9; CPT 99213.",
        "a 89-year-old, 19-year-old, 13 yo, at age 12, aged 54, turned 90 degrees, age 100%",
        "Hgb 9.8, WBC 11.2, platelets 212, sodium 138, pH 7.36 at 12:30:45, 37.2.",
        "COVID-19, PD-L1, T2DM, CA 19-9, 22q11.2, version 1.2.3",
        "March on, may 5 mg, she may 3 times; 31/31/2020; 2020-13-45; February 30, 2021",
        "plate C3-C5 and a 7-hole plate 2.0; lot of 1000; in case 1234 times",
        "the patient 12345 steps; unit 1000 mL; visit 2023; policy: none",
        "ratio 1:2:3, a::b, 1.2.1.3, 5@ home, @ 10 mg, p.o. b.i.d., e.g. this.",
        "000-12-3456 and 666-45-6789",
        "1234567812345678 and 1111111111111111",
        "account 100000 units, MRN 500 mg",
        "call 911, ext. 4; extension 5; 1-800",
        "49+86-231/570, plate L4-S1, plate 3500, lot 1000, record 2023, DOB: 99999999",
    ],
)
def test_what_looks_like_it_is_left_alone(text: str) -> None:
    assert said(text) == []


UNCLEAR = frozenset(("{y}{m:02}{d:02}", "{m}.{d}.{yy:02}", "{m}-{d}-{yy:02}"))
"""Might as well be numbers of other kinds: left to the head."""


@pytest.mark.parametrize("form", sorted({*forms("date")} - UNCLEAR))
@settings(deadline=None)
@given(st.dates(date(1930, 1, 1), date(2029, 12, 31)))
def test_every_usual_form_of_a_date_is_found(form: str, day: date) -> None:
    month = numbers.MONTHS[day.month - 1]
    written = form.format(
        d=day.day, m=day.month, y=day.year, yy=day.year % 100, month=month, mon=month[:3], short=month[:3],
        nth=numbers.ordinal(day.day), caps=month[:3].upper(), weekday="Monday",
    )  # fmt: skip
    assert said(f"seen on {written} again") == [(written.removeprefix("Monday, "), "DATE")]


@settings(deadline=None)
@given(st.integers())
def test_every_usual_form_of_a_phone_in_the_us_is_found_behind_its_label(seed: int) -> None:
    phone = numbers.phone(random.Random(seed), 0.0)
    assert said(f"Phone: {phone}") == [(phone, "PHONE")]


def test_every_form_of_a_record_number_is_found_behind_its_label() -> None:
    chance = random.Random(3)
    for form in forms("mrn"):
        number = numbers.pattern(form, chance)
        ((found, category),) = said(f"MRN: {number}.")
        assert category == "MRN"
        assert number.startswith(found)


@settings(deadline=None)
@given(st.text(alphabet=string.printable + "éß’“µ١", max_size=200))
def test_findings_lie_in_the_text_in_order_and_apart(text: str) -> None:
    end = 0
    for one in find(text):
        assert end <= one.span.start < one.span.end <= len(text)
        assert 0 <= one.confidence <= 1
        end = one.span.end


PIECES = (
    "1", ".", " ", "1 ", "1.", "1-", "12/", "a@", "@", "Jan ", "(555) ", "http://", "A1", "1a-", "mrn: ",
    "::1", "ab:", ".com", "x.com", "DE12 ", "#", "-", "+1", "1\n", "January 1 ", "Dr. A",
)  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_a_million_characters_are_read_in_one_go(piece: str) -> None:
    """A pattern that goes back over what it read would take hours here."""
    assert isinstance(find(piece * (1_000_000 // len(piece))), tuple)
