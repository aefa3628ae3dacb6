"""What a template's slots are filled with: pieces of text, each with the category that it is of.

A clinical text says of ages under 90 and of years alone that they are no protected health information, and
takes a form of address as a part of the name; a text of daily life labels every age and year, and leaves the
form of address out (as the corpora of the two kinds do).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from models.corpora.surrogates import numbers, people
from models.corpora.surrogates.people import Person
from models.corpora.surrogates.tables import words

Piece = tuple[str, str | None]
"""Text and its category: None is no protected health information, `?` may be anything."""
ANY = "?"
MEN, WOMEN = ("Mr.", "Mr.", "Mr.", "Mr"), ("Mrs.", "Ms.", "Ms.", "Miss", "Mrs", "Ms")


@dataclass
class Scene:
    """Who and what a document is about. `abroad`: how often names and places are of any locale."""

    chance: random.Random
    daily: bool
    abroad: float
    people: dict[str, Person] = field(default_factory=dict)
    doctors: dict[str, Person] = field(default_factory=dict)

    def who(self, digit: str) -> Person:
        """The person that a digit stands for; without one, the document's first."""
        if digit not in self.people:
            self.people[digit] = people.person(self.chance, self.abroad)
        return self.people[digit]

    def doctor(self, digit: str) -> Person:
        if digit not in self.doctors:
            self.doctors[digit] = people.person(self.chance, self.abroad)
        return self.doctors[digit]

    def pick(self, *values: str) -> str:
        return self.chance.choice(values)

    def other(self, digit: str) -> Person:
        """Somebody who is not the patient, if no digit says who."""
        return self.who(digit) if digit else people.person(self.chance, self.abroad)


Filler = Callable[[Scene, str], list[Piece]]


def _title(scene: Scene, who: Person) -> str:
    return scene.chance.choice(MEN if who.sex == "male" else WOMEN)


def _name(scene: Scene, digit: str) -> list[Piece]:
    who = scene.who(digit)
    if scene.daily:
        with_initial = scene.pick(
            f"{who.first} {who.middle} {who.last}", f"{who.first} {who.middle}. {who.last}"
        )
        full = f"{who.full} {scene.pick('Jr.', 'II', 'III')}" if scene.chance.random() < 0.02 else who.full
        return [(scene.pick(full, full, full, full, with_initial, who.first), "NAME")]
    return [(scene.pick(who.full, who.full, who.full, f"{who.first} {who.middle}. {who.last}"), "NAME")]


def query_name(scene: Scene, digit: str) -> list[Piece]:
    """A patient as a query names them: often by given name and initial."""
    who = scene.who(digit)
    short = f"{who.first} {who.last[:1].upper()}."
    titled = f"{_title(scene, who)} {who.last}"
    return [(scene.pick(short, short, short, who.full, who.full, who.full, titled, who.first), "NAME")]


def _titled(scene: Scene, digit: str) -> list[Piece]:
    who = scene.who(digit)
    if scene.daily:
        return [(_title(scene, who), ANY), (" ", None), (who.last, "NAME")]
    return [(f"{_title(scene, who)} {who.last}", "NAME")]


def _honorific(scene: Scene, digit: str) -> list[Piece]:
    return [(scene.pick(_title(scene, scene.who(digit)), _title(scene, scene.who(digit)), "Dr."), ANY)]


def _doctor(scene: Scene, digit: str) -> list[Piece]:
    who = scene.doctor(digit)
    if scene.chance.random() < 0.12:
        return [(who.full, "NAME"), (scene.pick(", MD", ", M.D.", " MD", ", DO", ", NP", ", PA-C"), None)]
    named = scene.pick(who.last, who.last, who.last, who.full, who.full, f"{who.first} {who.last[:1]}.",
                       f"{who.first[:1]}. {who.last}")  # fmt: skip
    return [(f"{scene.pick('Dr.', 'Dr.', 'Dr.', 'Dr')} {named}", "NAME")]


def _clinician(scene: Scene, _: str) -> list[Piece]:
    """A doctor as heads and ends of notes write them."""
    who = scene.doctor(scene.pick("", "", "2", "3"))
    if scene.chance.random() < 0.3:
        return _doctor(scene, "")
    initials = (f"{who.first[:1]}. {who.last}", f"{who.first} {who.middle}. {who.last}")
    named = scene.pick(who.full, f"{who.last}, {who.first}", who.full.upper(), *initials)
    ending = scene.pick(
        "", ", MD", ", M.D.", " MD", ", DO", ", MD, PhD", ", RN", ", NP", ", PA-C", " M.D., F.A.C.S."
    )
    return [(named, "NAME"), (ending, None)]


def _patient(scene: Scene, digit: str) -> list[Piece]:
    who = scene.who(digit)
    written = (
        who.full,
        who.full,
        f"{who.first} {who.middle}. {who.last}",
        f"{who.last}, {who.first}",
        f"{who.last}, {who.first} {who.middle}",
        f"{who.last}, {who.first} {who.middle}.",
        who.full.upper(),
        f"{who.last}, {who.first}".upper(),
        f"{_title(scene, who)} {who.full}",
    )
    return [(scene.chance.choice(written), "NAME")]


def _age(scene: Scene, low: int, high: int, ending: str) -> list[Piece]:
    """An age as an adjective: only its number is labelled, and only over 89 in a clinical text."""
    years = scene.chance.randint(low, high)
    return [(str(years), "AGE" if years > 89 or scene.daily else None), (ending, None)]


def _adjective(scene: Scene) -> str:
    return scene.pick("-year-old", "-year-old", " year old", " yo", "yo", "-y/o", " y.o.")


def _address(scene: Scene, _: str) -> list[Piece]:
    make = people.address_abroad if scene.chance.random() < scene.abroad * 1.3 else people.address
    return [(make(scene.chance), "LOCATION")]


def _building(scene: Scene, _: str) -> list[Piece]:
    return [(numbers.pattern(scene.pick("99", "999", "09999", "99999"), scene.chance), "LOCATION")]


def _zip(scene: Scene, _: str) -> list[Piece]:
    text = numbers.number("zip", scene.chance) if scene.daily else numbers.pattern("99999", scene.chance)
    return [(text, "LOCATION")]


def _email(scene: Scene, digit: str) -> list[Piece]:
    known = bool(scene.people) and scene.chance.random() < 0.6
    who = scene.who(digit) if known else people.person(scene.chance, scene.abroad)
    return [(people.email(who, scene.chance, scene.abroad), "EMAIL")]


def _year(scene: Scene, _: str) -> list[Piece]:
    return [(str(scene.chance.randint(1965, 2025)), "DATE" if scene.daily else None)]


def _weekday(scene: Scene, _: str) -> list[Piece]:
    return [(scene.chance.choice(numbers.WEEKDAYS), "DATE" if scene.daily else ANY)]


def _written(scene: Scene, kind: str) -> list[Piece]:
    first, last = (1930, 2025) if scene.daily or scene.chance.random() < 0.2 else (2004, 2025)
    text = numbers.written(kind, numbers.day_between(first, last, scene.chance), scene.chance)
    return [(text, "DATE")]


def _datetime(scene: Scene, _: str) -> list[Piece]:
    ((text, _category),) = _written(scene, "datetime")
    if scene.daily or "T" in text:
        return [(text, "DATE")]
    day, _space, time = text.partition(" ")
    return [(day, "DATE"), (f" {time}", None)]


def _of(kind: str, category: str | None = None) -> Filler:
    return lambda scene, _: [(scene.chance.choice(words(kind)), category)]


def _numbered(kind: str, category: str | None) -> Filler:
    return lambda scene, _: [(numbers.number(kind, scene.chance), category)]


def _made(make: Callable[[random.Random], str], category: str) -> Filler:
    return lambda scene, _: [(make(scene.chance), category)]


def _made_abroad(make: Callable[[random.Random, float], str], category: str) -> Filler:
    return lambda scene, _: [(make(scene.chance, scene.abroad), category)]


def _by_sex(male: str, female: str) -> Filler:
    return lambda scene, _: [(male if scene.who("").sex == "male" else female, None)]


def _sex(scene: Scene, _: str) -> list[Piece]:
    male = scene.who("").sex == "male"
    return [(scene.pick("male", "man", "M") if male else scene.pick("female", "woman", "F"), None)]


def _job(scene: Scene, _: str) -> list[Piece]:
    job = scene.chance.choice(words("job"))
    return [(job.capitalize() if scene.chance.random() < 0.25 else job, "PROFESSION")]


SLOTS: dict[str, Filler] = {
    "name": _name,
    "first": lambda scene, digit: [(scene.who(digit).first, "NAME")],
    "last": lambda scene, digit: [(scene.who(digit).last, "NAME")],
    "person": lambda scene, digit: [(scene.other(digit).full, "NAME")],
    "mr": _titled,
    "title": _honorific,
    "doctor": _doctor,
    "clinician": _clinician,
    "patient": _patient,
    "he": _by_sex("he", "she"),
    "his": _by_sex("his", "her"),
    "him": _by_sex("him", "her"),
    "sex": _sex,
    "age": lambda scene, _: _age(scene, 18, 88, ""),
    "young": lambda scene, _: _age(scene, 1, 89, _adjective(scene)),
    "young number": lambda scene, _: _age(scene, 1, 89, ""),
    "under": lambda scene, _: _age(scene, 4, 89, ""),
    "old": lambda scene, _: _age(scene, 90, 104, _adjective(scene)),
    "elder": lambda scene, _: _age(scene, 90, 104, ""),
    "address": _address,
    "building": _building,
    "street": _made_abroad(people.street, "LOCATION"),
    "unit": _numbered("unit", "LOCATION"),
    "city": _made_abroad(people.city, "LOCATION"),
    "citystate": _made(people.city_and_state, "LOCATION"),
    "state": _of("state code", "LOCATION"),
    "country": _of("country", "LOCATION"),
    "zip": _zip,
    "hospital": _made(people.hospital, "LOCATION"),
    "ward": _of("ward", "LOCATION"),
    "institution": _made(people.institution, "ORGANIZATION"),
    "org": _made(people.organisation, "ORGANIZATION"),
    "job": _job,
    "nation": _of("nation", ANY),
    "date": lambda scene, _: _written(scene, "date"),
    "day": lambda scene, _: _written(scene, "day"),
    "monthyear": lambda scene, _: _written(scene, "month year"),
    "month": lambda scene, _: [(scene.chance.choice(numbers.MONTHS), "DATE")],
    "datetime": _datetime,
    "time": lambda scene, _: [(numbers.clock(scene.chance), None)],
    "year": _year,
    "weekday": _weekday,
    "phone": _made_abroad(numbers.phone, "PHONE"),
    "fax": _made_abroad(numbers.phone, "FAX"),
    "email": _email,
    "url": _made_abroad(people.url, "URL"),
    "ip": _made(numbers.ip_address, "IP_ADDRESS"),
    "ssn": _made(numbers.ssn, "SSN"),
    "mrn": _numbered("mrn", "MRN"),
    "nhs": _numbered("nhs", "MRN"),
    "plan": _numbered("plan", "HEALTH_PLAN_ID"),
    "group": _numbered("group", "HEALTH_PLAN_ID"),
    "plan name": _of("plan", ANY),
    "account": _numbered("account", "ACCOUNT"),
    "card": _made(numbers.card, "ACCOUNT"),
    "iban": _made(numbers.iban, "ACCOUNT"),
    "licence": _numbered("licence", "LICENSE"),
    "npi": _made(numbers.npi, "LICENSE"),
    "dea": lambda scene, _: [(numbers.dea(scene.doctor("").last, scene.chance), "LICENSE")],
    "vin": _made(numbers.vin, "VEHICLE"),
    "plate": _numbered("plate", "VEHICLE"),
    "device": _numbered("device", "DEVICE"),
    "device maker": _of("device maker", ANY),
    "otherid": _numbered("other", "OTHER_ID"),
    "subject": _numbered("subject", "OTHER_ID"),
}
"""By name; a digit behind the name says which person it is about, or only that it is another draw."""
UNLABELLED = (
    "eponym", "sign", "score", "gene", "drug", "disease", "procedure", "lab", "dose", "vitals", "spine",
    "number", "relative", "shift", "band", "work",
)  # fmt: skip
SLOTS |= {kind: _of(kind) for kind in UNLABELLED}
