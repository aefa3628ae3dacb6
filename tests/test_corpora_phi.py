"""What the readers make of ASQ-PHI and Presidio, on a few lines in their formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.corpora.phi import ASQ, PRESIDIO, read_asq_phi, read_presidio
from models.corpora.scheme import PHI, Document


def said(document: Document) -> list[tuple[str, str]]:
    spans = document.layers["phi"].spans
    return [(document.text[s.start : s.end], "/".join(sorted(s.allowed)) or "?") for s in spans]


def asq(folder: Path, text: str, marks: list[tuple[str, str]], **more: Any) -> Document:
    spans = [
        {"start": text.index(words), "end": text.index(words) + len(words), "type": kind, "text": words}
        for words, kind in marks
    ]
    row = {"id": 7, "text": text, "spans": spans} | more
    (folder / "queries.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (document,) = read_asq_phi(folder)
    return document


def presidio(folder: Path, text: str, marks: list[tuple[str, str]], template: int = 3) -> list[Document]:
    spans = [
        {"entity_type": kind, "entity_value": words, "start_position": text.index(words),
         "end_position": text.index(words) + len(words)}
        for words, kind in marks
    ]  # fmt: skip
    row = {"full_text": text, "masked": "", "spans": spans, "template_id": template}
    with (folder / "samples.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return list(read_presidio(folder))


def test_asq_s_types_are_hipaa_s(tmp_path: Path) -> None:
    document = asq(
        tmp_path,
        "Ms. Ida K. (MRN: #B-11), seen in Leeds on 3/4/21, plan HX-9.",
        [("Ida K.", "NAME"), ("#B-11", "MEDICAL_RECORD_NUMBER"), ("Leeds", "GEOGRAPHIC_LOCATION"),
         ("3/4/21", "DATE"), ("HX-9", "HEALTH_PLAN_BENEFICIARY_NUMBER")],
    )  # fmt: skip
    assert (document.corpus, document.id) == ("asq-phi", "asq-7")
    assert said(document) == [
        ("Ida K.", "NAME"), ("#B-11", "MRN"), ("Leeds", "LOCATION"), ("3/4/21", "DATE"),
        ("HX-9", "HEALTH_PLAN_ID"),
    ]  # fmt: skip
    assert document.layers["phi"].covered == set(PHI) - {"PROFESSION"}


def test_the_word_email_is_no_address_and_an_unknown_type_is_anything(tmp_path: Path) -> None:
    document = asq(
        tmp_path,
        "He sent an email from a@b.org by retina scan.",
        [("email", "EMAIL_ADDRESS"), ("a@b.org", "EMAIL_ADDRESS"), ("retina scan", "BIOMETRIC")],
    )
    assert said(document) == [("email", "?"), ("a@b.org", "EMAIL"), ("retina scan", "?")]


def test_what_upstream_did_not_locate_is_found_behind_typographic_quotes(tmp_path: Path) -> None:
    document = asq(
        tmp_path,
        "Seen at Children’s Clinic, not at Children’s Clinics.",
        [],
        unlocated=[
            {"identifier_type": "GEOGRAPHIC_LOCATION", "value": "Children's Clinic"},
            {"identifier_type": "NAME", "value": "Children's Clinic"},  # there is no second one
            {"identifier_type": "NAME", "value": "Nobody"},
        ],
    )
    assert said(document) == [("Children’s Clinic", "LOCATION")]


def test_presidio_s_titles_are_forms_of_address_or_occupations(tmp_path: Path) -> None:
    (document,) = presidio(
        tmp_path,
        "Mr. Ito, the X-ray technician, is Dutch.",
        [("Mr.", "TITLE"), ("Ito", "PERSON"), ("X-ray technician", "TITLE"), ("Dutch", "NRP")],
    )
    assert said(document) == [
        ("Mr.", "?"),
        ("Ito", "NAME"),
        ("X-ray technician", "PROFESSION"),
        ("Dutch", "?"),
    ]


def test_after_fax_a_number_may_be_either(tmp_path: Path) -> None:
    (document,) = presidio(
        tmp_path,
        "Desk: 451 5986\nFax: 451 5987",
        [("451 5986", "PHONE_NUMBER"), ("451 5987", "PHONE_NUMBER")],
    )
    assert said(document) == [("451 5986", "PHONE"), ("451 5987", "FAX/PHONE")]


def test_side_by_side_parts_of_an_address_stay_spans_of_their_own(tmp_path: Path) -> None:
    (document,) = presidio(
        tmp_path,
        "12 Elmgate Apt. 4",
        [("Apt. 4", "STREET_ADDRESS"), ("12", "STREET_ADDRESS"), ("Elmgate", "GPE")],
    )
    assert said(document) == [("12", "LOCATION"), ("Elmgate", "LOCATION"), ("Apt. 4", "LOCATION")]


def test_one_template_is_one_id_and_every_file_is_read(tmp_path: Path) -> None:
    presidio(tmp_path, "I am Ann", [("Ann", "PERSON")], 5)
    presidio(tmp_path, "I am Bo", [("Bo", "PERSON")], 5)
    (tmp_path / "more.jsonl").write_bytes((tmp_path / "samples.jsonl").read_bytes() + b"\n")
    assert [document.id for document in read_presidio(tmp_path)] == ["presidio-5"] * 4


def test_spans_outside_of_the_text_are_left_out(tmp_path: Path) -> None:
    row = {"id": 1, "text": "Ann", "spans": [{"start": 1, "end": 9, "type": "NAME", "text": "nn"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (document,) = read_asq_phi(tmp_path)
    assert said(document) == []


def test_both_schemes_lead_to_categories_that_exist() -> None:
    assert {*ASQ.values(), *PRESIDIO.values()} <= set(PHI)
