"""Corpora of protected health information: ASQ-PHI's clinical queries, Presidio's sentences of daily life.

Both map to `PHI`; what has no counterpart there is "anything". docs/deidentification.md shows the tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models.corpora.scheme import ANYTHING, PHI, Document, Labelled, Layer, Place, without_overlaps

ASQ = {
    "NAME": "NAME", "GEOGRAPHIC_LOCATION": "LOCATION", "DATE": "DATE", "AGE": "AGE", "AGE_OVER_89": "AGE",
    "PHONE_NUMBER": "PHONE", "FAX_NUMBER": "FAX", "EMAIL_ADDRESS": "EMAIL", "SOCIAL_SECURITY_NUMBER": "SSN",
    "MEDICAL_RECORD_NUMBER": "MRN", "HEALTH_PLAN_BENEFICIARY_NUMBER": "HEALTH_PLAN_ID",
    "ACCOUNT_NUMBER": "ACCOUNT", "CERTIFICATE_LICENSE_NUMBER": "LICENSE", "VEHICLE_IDENTIFIER": "VEHICLE",
    "LICENSE_PLATE_NUMBER": "VEHICLE", "DEVICE_IDENTIFIER": "DEVICE", "WEB_URL": "URL", "URL": "URL",
    "IP_ADDRESS": "IP_ADDRESS", "UNIQUE_IDENTIFIER": "OTHER_ID",
}  # fmt: skip
"""ASQ-PHI's types are HIPAA's eighteen; of those that its part here lacks, the names are a guess."""
PRESIDIO = {
    "PERSON": "NAME", "STREET_ADDRESS": "LOCATION", "GPE": "LOCATION", "ZIP_CODE": "LOCATION",
    "LOCATION": "LOCATION", "DATE_TIME": "DATE", "AGE": "AGE", "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL", "ORGANIZATION": "ORGANIZATION", "CREDIT_CARD": "ACCOUNT",
    "IBAN_CODE": "ACCOUNT", "US_BANK_NUMBER": "ACCOUNT", "US_SSN": "SSN", "US_DRIVER_LICENSE": "LICENSE",
    "US_ITIN": "OTHER_ID", "US_PASSPORT": "OTHER_ID", "DOMAIN_NAME": "URL", "URL": "URL",
    "IP_ADDRESS": "IP_ADDRESS",
}  # fmt: skip
"""`TITLE` is by its words: a form of address is anything, an occupation is PROFESSION. `NRP` (nationality,
religion, politics) has no counterpart."""
COVERED = frozenset(PHI) - {"PROFESSION"}
"""Neither corpus says of every occupation that it is one."""
ADDRESSED = frozenset(("mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "madam", "master", "rev"))
FAX = re.compile(r"\b(?:fax|facsimile|telefax)\b\W*$", re.IGNORECASE)
LOOKALIKES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "})


def read_asq_phi(folder: Path) -> Iterator[Document]:
    """ASQ-PHI, every `*.jsonl` in the folder. Ages under 90, years alone and what is said of the past only
    in relation to today ("last year") are mostly no PHI there; hospitals are places; a record's `#` is part
    of its number. What upstream could not locate is looked for again with typographic quotes made plain."""
    for row in _rows(folder):
        text = row["text"]
        spans = [_asq_span(text, mark) for mark in row["spans"]]
        spans += _unlocated(text, row.get("unlocated", ()), spans)
        yield _document("asq-phi", f"asq-{row['id']}", text, spans)


def read_presidio(folder: Path) -> Iterator[Document]:
    """Presidio-research's sentences, every `*.jsonl` in the folder. All sentences of one template share an
    id. Parts of an address lie side by side as spans of their own; years and days of the week are dates,
    ages of any height are ages, and what stands after "Fax:" may be a fax or a phone number."""
    for row in _rows(folder):
        text = row["full_text"]
        spans = [_presidio_span(text, mark) for mark in row["spans"]]
        yield _document("presidio-pii", f"presidio-{row['template_id']}", text, spans)


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file if line.strip())


def _document(corpus: str, identity: str, text: str, spans: Iterable[Labelled]) -> Document:
    kept = without_overlaps(span for span in spans if 0 <= span.start < span.end <= len(text))
    return Document(corpus, identity, text, layers={"phi": Layer(kept, COVERED)})


def _asq_span(text: str, mark: Mapping[str, Any]) -> Labelled:
    start, end = mark["start"], mark["end"]
    allowed = _allowed(ASQ, mark["type"])
    if allowed == {"EMAIL"} and "@" not in text[start:end]:
        allowed = ANYTHING  # "sent an email": the word itself
    return Labelled(start, end, allowed)


def _unlocated(
    text: str, marks: Iterable[Mapping[str, str]], located: Iterable[Labelled]
) -> Iterator[Labelled]:
    taken = [span.place for span in located]
    for mark in marks:
        place = _find(text.translate(LOOKALIKES), mark["value"].translate(LOOKALIKES), taken)
        if place:
            taken.append(place)
            yield Labelled(*place, _allowed(ASQ, mark["identifier_type"]))


def _find(text: str, value: str, taken: Iterable[Place]) -> Place | None:
    """Where a value first stands as words of its own, and nothing else was found."""
    for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text) if value else ():
        if all(match.end() <= start or match.start() >= end for start, end in taken):
            return match.span()
    return None


def _presidio_span(text: str, mark: Mapping[str, Any]) -> Labelled:
    start, end = mark["start_position"], mark["end_position"]
    allowed = _allowed(PRESIDIO, mark["entity_type"])
    if mark["entity_type"] == "TITLE" and text[start:end].strip(" .").lower() not in ADDRESSED:
        allowed = frozenset({"PROFESSION"})
    if allowed == {"PHONE"} and FAX.search(text[:start]):
        allowed = frozenset({"PHONE", "FAX"})
    return Labelled(start, end, allowed)


def _allowed(scheme: Mapping[str, str], kind: str) -> frozenset[str]:
    return frozenset({scheme[kind]}) if kind in scheme else ANYTHING
