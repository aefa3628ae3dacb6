"""The words in front of a number that say what it is: "MRN:", "policy number is", "S/N"."""

from __future__ import annotations

import re
from typing import NamedTuple

REACH = 44
"""How many characters in front of a value its label is looked for."""
_CUT = re.compile(r"[\s:#=()\[\]{}|,;\"]+")
_ID_ALONE = re.compile(r"\b(?:ID|Id|id)\s?#?\s?[:#]?\s{0,2}$")
_INSURED = re.compile(r"insurance|insured|health plan|member|policy|subscriber", re.IGNORECASE)
_FILLER = frozenset(("is", "was", "are", "the", "of", "for"))
_COUNTED = frozenset(("number", "no", "num", "nr", "id", "code", "numbers"))
_KNOWN = {
    "MRN": """mrn, m.r.n, emrn, mr, medical record, medical records, med record, med rec, medical rec,
        med. rec, patient, pt, chart, hospital, unit, record, nhs""",
    "HEALTH_PLAN_ID": """insurance, insur, ins, insurance policy, insurance plan, insurance card, policy,
        plan, health plan, hicn, mbi, hmo, ppo, member, subscriber, beneficiary, group, medicare, medicaid""",
    "ACCOUNT": """account, acct, bank account, billing, encounter, visit, invoice, fin, csn, iban,
        credit card, debit card, card, cc""",
    "LICENSE": """dea, npi, license, licence, lic, driver's license, driver’s license, drivers license, dl,
        driver license, driving licence, certificate, medical license, state license""",
    "VEHICLE": "vin, vehicle",
    "DEVICE": "serial, s/n, sn, lot, udi, imei, device, device serial",
    "OTHER_ID": """accession, specimen, passport, claim, case, ref, reference, order, report, job, study,
        document, confirmation, donor, employee, subject, tracking, authorization, prior authorization""",
    "SSN": "ssn, ss, social security, social, soc sec",
    "FAX": "fax, facsimile, telefax, fx, fax records to, fax to, fax results to",
    "PHONE": """tel, telephone, phone, ph, cell, cellphone, cell phone, mobile, pager, beeper, landline,
        hotline, contact, call, home phone, work phone, desk, voicemail, text, call at, call me at,
        call me on, call us at, reached at, reach me at, reach me on, contact at, phone at, text me at""",
    "DATE": "date, dob, d.o.b, birth, birthdate, birthday, born, admitted, discharged, collected, reported",
    "ZIP": "zip, zip code, zipcode, postal code, postcode, post code",
}
KNOWN = {
    " ".join(words.split()): category for category, listed in _KNOWN.items() for words in listed.split(",")
}
"""Category by the words of a label, in small letters and without what says "number"."""
COMMON = frozenset(
    ("mr", "patient", "pt", "chart", "hospital", "unit", "record", "nhs", "billing", "encounter", "visit",
     "order", "report", "job", "study", "document", "device", "employee", "donor", "subject", "group",
     "confirmation", "tracking", "vehicle")
)  # fmt: skip
"""Words that are a label only with one for "number" behind them."""
BARE = {
    "npi": 7, "dea": 6, "license": 5, "licence": 5, "lic": 5, "account": 6, "acct": 5, "serial": 4, "s/n": 4,
    "sn": 4, "imei": 10, "lot": 5, "record": 5, "claim": 5, "authorization": 5, "prior authorization": 5,
    "accession": 5, "passport": 5, "hicn": 5, "mbi": 5, "vin": 5,
}  # fmt: skip
"""How many digits a value right behind such a label has to have, without any sign for "number" between."""
CARDS = frozenset(("card", "credit card", "debit card", "cc"))


class Label(NamedTuple):
    """`counted`: a word for "number" or a `#` stands behind it; `marked`: a colon or "is"."""

    category: str
    words: str
    counted: bool
    marked: bool

    def names(self, value: str) -> bool:
        """Whether a label of this kind names such a value: one word with digits in it."""
        digits = sum(map(str.isdigit, value))
        if digits < 3 or len(value) > 40 or self.category in ("FAX", "PHONE", "ZIP"):
            return False
        if self.category == "DATE":
            return _is_date(value)
        if self.category == "SSN":
            return digits == 9
        if self.words in CARDS:
            return 12 <= digits <= 19
        if digits >= BARE.get(self.words.removeprefix("driver's "), 100):
            return True
        if self.words in COMMON:
            return self.counted
        return self.category == "MRN" or self.counted or (self.marked and (digits > 4 or "-" in value))


def label_before(text: str, start: int) -> Label | None:
    """The label that ends right in front of `start`, on the same line or the one above."""
    window = text[max(0, start - REACH) : start]
    if window.isspace() or not _has_letter(window):
        return None
    words = [word for word in (raw.strip(".").lower() for raw in _CUT.split(window)) if word]
    behind = window[len(window.rstrip(" :#=.\t\n")) :]
    counted, marked = "#" in behind, ":" in behind or "=" in behind
    while words and (words[-1] in _FILLER or words[-1] in _COUNTED):
        word = words.pop()
        counted, marked = counted or word in _COUNTED, marked or word in ("is", "was")
    counted = counted or (bool(words) and "#" in window[window.lower().rfind(words[-1]) :])
    for size in (3, 2, 1):
        known = " ".join(words[-size:])
        if len(words) >= size and known in KNOWN:
            return Label(KNOWN[known], known, counted, marked)
    if _ID_ALONE.search(window) is None:
        return None
    return Label("HEALTH_PLAN_ID" if _INSURED.search(window) else "OTHER_ID", "", True, marked)


def fax_before(text: str, start: int) -> bool:
    """Whether a fax is what was last spoken of in front of `start` ("fax the results to Dr. X at")."""
    window = text[max(0, start - REACH) : start].lower()
    return window.rfind("fax") > max(window.rfind("phone"), window.rfind("tel"), window.rfind("\n"))


def _is_date(value: str) -> bool:
    """Eight digits or three short numbers that the calendar has, in one order or another."""
    if len(value) == 8 and value.isdigit():
        return value[:2] in ("19", "20") and "01" <= value[4:6] <= "12" and "01" <= value[6:] <= "31"
    parts = value.split("-")
    return len(parts) == 3 and all(p.isdigit() and len(p) < 3 for p in parts) and 1 <= int(parts[0]) <= 31


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, text))
