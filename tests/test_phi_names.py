"""Names that a form of address, a field or a signature gives away."""

from __future__ import annotations

import pytest

from models.phi.names import find_names


def said(text: str) -> list[str]:
    return [text[one.span.start : one.span.end] for one in sorted(set(find_names(text)))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seen by Dr. Okafor today", ["Dr. Okafor"]),
        ("Dr. J. Okafor and Dr A.B. Lindqvist", ["Dr. J. Okafor", "Dr A.B. Lindqvist"]),
        ("Mr. de la Cruz's wife; Dr. van der Berg", ["Mr. de la Cruz", "Dr. van der Berg"]),
        ("MR OKAFOR and MRS. LINDQVIST", ["MR OKAFOR", "MRS. LINDQVIST"]),
        ("Name: Maria de la Cruz", ["Maria de la Cruz"]),
        ("Patient Name: OKAFOR, ADA B.", ["OKAFOR, ADA B."]),
        ("Pt: Ada Okafor\nRe: Bo Lindqvist", ["Ada Okafor", "Bo Lindqvist"]),
        ("Attending: J. Okafor, MD", ["J. Okafor"]),
        ("Electronically signed by Ada Okafor, RN on", ["Ada Okafor"]),
        ("DICTATED BY: ADA OKAFOR MD", ["ADA OKAFOR"]),
    ],
)
def test_a_name_is_found_with_its_form_of_address(text: str, found: list[str]) -> None:
    assert said(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "MS CONTIN 15 mg; MS Contin; MR ANGIOGRAPHY; MR Imaging; DR Chest",
        "Dr. The patient; Dr. A. The patient; Mr. and Mrs.",
        "Name: Stable Angina\nPatient: Denies Pain\nProvider: Cardiology Clinic\nContact: None",
        "reviewed by Cardiology Team; signed by the patient; designed by Ada Okafor",
        "Game: Chess Okafor",
        "Dr. van der",
    ],
)
def test_what_only_looks_like_a_name_is_left_alone(text: str) -> None:
    assert said(text) == []
