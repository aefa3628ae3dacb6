"""Made-up people, employers, hospitals, places, and where they are on the net."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

from models.corpora.surrogates.numbers import number, pattern
from models.corpora.surrogates.tables import locales, names, places, words

AT_HOME = ("us_common", "us_common", "us_common", "en_US", "es_MX", "hi", "vi_VN", "zh_CN")
"""Locales whose names and places notes of a hospital in the US name most."""
US_DOMAINS = ("com", "org", "net", "edu", "gov", "us")
DOMAINS = (*US_DOMAINS, "de", "fr", "co.uk", "es", "it", "nl", "fi", "no", "dk", "se", "pl", "cz", "ch", "ca",
           "com.br", "pt", "is", "hu", "si", "gr", "com.au", "ie", "io", "ee", "be")  # fmt: skip
HOSTS = ("gmail", "yahoo", "hotmail", "outlook", "aol", "example", "icloud", "protonmail", "comcast", "web",
         "mailbox", "healthmail", "einmail", "post", "medsite", "clinic", "hospital")  # fmt: skip


@dataclass(frozen=True)
class Person:
    first: str
    middle: str
    last: str
    sex: str

    @property
    def full(self) -> str:
        return f"{self.first} {self.last}"


def person(chance: random.Random, abroad: float, sex: str = "") -> Person:
    """Somebody; with the chance of `abroad` of any locale, else of one that is frequent at home."""
    known = names(chance.choice(locales() if chance.random() < abroad else AT_HOME))
    sex = sex or chance.choice(("female", "male"))
    first = chance.choice(known.get(sex) or known["either"])
    family = known["family"]
    last = chance.choice(family)
    if chance.random() < 0.03:
        last = f"{last}-{chance.choice(family)}"
    return Person(first, chance.choice("ABCDEFGHIJKLMNOPRSTVW"), last, sex)


def organisation(chance: random.Random) -> str:
    """A firm's name: known, after its founders, coined, or what it is and where."""
    last = [person(chance, 0.3).last for _ in range(3)]
    coined = chance.choice(words("coined start")) + chance.choice(words("coined end"))
    trade, legal = chance.choice(words("trade")), chance.choice(words("legal form"))
    return chance.choice(
        (
            chance.choice(words("company")),
            chance.choice(words("company")),
            f"{last[0]}, {last[1]} and {last[2]}",
            f"{last[0]}-{last[1]}",
            f"{last[0]} {legal}",
            f"{last[0]} {trade}",
            f"{last[0]} & {last[1]}",
            coined,
            coined,
            f"{coined} {legal}",
            f"{coined} {trade}",
            f"{chance.choice(words('coined start'))} {trade}",
            f"{city(chance, 0.2)} {chance.choice(words('institution'))}",
        )
    )


def hospital(chance: random.Random) -> str:
    stem = chance.choice(words("hospital stem"))
    town = city(chance, 0.05)
    end = chance.choice(words("hospital end"))
    return chance.choice(
        (
            chance.choice(words("hospital")).removeprefix("the "),
            f"{stem} {end}",
            f"{stem} {end}",
            f"{stem} {end}",
            f"{town} {end}",
            f"{town} {end}",
            f"{stem} {end}, {town}",
            f"{stem} {end} of {town}",
            f"{stem} {end} in {town}",
            f"{town} {stem}",
            f"Dr. {person(chance, 0.1).last}'s {chance.choice(('office', 'Office', 'clinic'))}",
        )
    )


def institution(chance: random.Random) -> str:
    stem = chance.choice((person(chance, 0.1).last, city(chance, 0.0)))
    return f"{stem} {chance.choice(words('institution'))}"


def city(chance: random.Random, abroad: float) -> str:
    if chance.random() >= abroad:
        return chance.choice(places("city")["en_US"])
    town = chance.choice(places("city")[chance.choice(list(places("city")))])
    return town.upper() if chance.random() < 0.15 else town


def city_and_state(chance: random.Random) -> str:
    town = city(chance, 0.03)
    state, code = chance.choice(words("state")), chance.choice(words("state code")[:51])
    return chance.choice((town, f"{town}, {code}", f"{town}, {code}", f"{town}, {state}"))


def street(chance: random.Random, abroad: float) -> str:
    """A street with the number of a house, before or behind it as is usual in the locale."""
    known = places("street")
    house = pattern(chance.choice(("9", "99", "99", "999", "9999")), chance)
    if chance.random() >= abroad:
        return f"{house} {chance.choice(known['us'])}"
    locale = chance.choice(list(known))
    name = chance.choice(known[locale])
    if locale[:2] in ("en", "us", "gb", "fr", "vi"):
        return f"{house} {name}"
    prefix = "ul. " if locale == "pl_PL" else ""
    return f"{prefix}{name} {house}"


def street_name(chance: random.Random, abroad: float) -> str:
    known = places("street")
    locale = chance.choice(list(known)) if chance.random() < abroad else "us"
    return chance.choice(known[locale])


def address(chance: random.Random) -> str:
    """A whole address at home, in one line."""
    way, code = street(chance, 0.0), chance.choice(words("state code")[:51])
    if chance.random() < 0.25:
        way += f"{chance.choice((', ', ' '))}{number('unit', chance)}"
    town, digits = city(chance, 0.03), pattern("99999", chance)
    end = f"{town}, {code}"
    return chance.choice((way, f"{way}, {town}", f"{way}, {end}", f"{way}, {end}", f"{way}, {end} {digits}"))


def address_abroad(chance: random.Random) -> str:
    """A whole address anywhere, in one line or in several; some of its parts may be left out."""
    drawn = chance.random()
    if drawn < 0.1:
        return _post_box(chance)
    if drawn < 0.2:
        return _crossing(chance)
    way, town = street(chance, 0.75), city(chance, 0.85)
    if chance.random() < 0.7:
        way = f"{pattern(chance.choice(('99', '999', '9999', '09999', '99999')), chance)} {way}"
    if chance.random() < 0.1:
        way += f" {person(chance, 0.5).last} {chance.choice(words('street end'))}"
    code, country = chance.choice(words("state code")), chance.choice(words("country"))
    unit = number("unit", chance)
    digits = number("zip", chance) if chance.random() < 0.3 else pattern("99999", chance)
    end = chance.choice((f"{country} {digits}", f"{country} {digits}", country, digits))
    return chance.choice(
        (
            f"{way}, {town}",
            f"{way}, {digits} {town}",
            f"{way}, {digits} {town}, {country}",
            f"{way}\n{digits} {town}\n{country}",
            f"{way}, {unit}, {town}, {country}",
            f"{way}\n{town}\n, {code}\n {end}",
            f"{way} {unit}\n{town}\n, {code}\n {end}",
            f"{way}\n {unit}\n {town}\n {end}",
            f"{way}\n {unit}\n {town}\n {end}",
            f"{way}\n {town}\n {end}",
            f"{way} {unit}, {town}, {end}",
            f"{way} {unit}, {town}, {code} {digits}",
            f"{way} {unit}, {town}, {end}",
            f"{way} {unit} {town} {code}",
            f"{way} {unit} {town} {country}",
            f"{way} {unit}\n{town}, {code} {digits}",
            f"{way}\n{town}, {code} {digits}",
            f"{way}, {town}, {country}",
        )
    )


def _crossing(chance: random.Random) -> str:
    """Where two streets meet, one of them with or without the number of a house."""
    first, second = (
        street(chance, 0.7) if chance.random() < 0.5 else street_name(chance, 0.7) for _ in range(2)
    )
    coined = f"{person(chance, 0.5).last} {chance.choice(words('street end'))}"
    second = coined if chance.random() < 0.4 else second
    return f"the corner of {first} and {second}"


def _post_box(chance: random.Random) -> str:
    box, digits = pattern("9999", chance), pattern("99999", chance)
    area = chance.choice(("AA", "AE", "AP"))
    return chance.choice(
        (
            f"PSC {pattern('9999', chance)}, Box {box}\nAPO {area} {digits}",
            f"Unit {box} Box {box}\nDPO {area} {digits}",
            f"USNS {person(chance, 0.5).last}\nFPO {area} {digits}",
            f"P.O. Box {box}, {city_and_state(chance)}",
            f"PO Box {box}\n{city_and_state(chance)} {digits}",
        )
    )


def email(who: Person, chance: random.Random, abroad: float) -> str:
    first, last = plain(who.first), plain(who.last)
    users = (
        f"{first}.{last}",
        f"{first}{last}",
        f"{first[:1]}{last}",
        f"{first}_{last}",
        f"{first}{chance.randint(1, 99)}",
        f"{last}.{first[:1]}",
        f"{who.first}{who.middle}{who.last}",
        f"{first}.{last[:1]}",
        f"dr.{last}",
    )
    user = chance.choice(users)
    user = plain(user, keep="._-", lower=user.islower()) or "info"
    return f"{user}@{_host(chance)}.{chance.choice(DOMAINS if chance.random() < abroad else US_DOMAINS)}"


def url(chance: random.Random, abroad: float) -> str:
    host = _host(chance)
    host = host.title() if chance.random() < 0.2 else host
    end = chance.choice(DOMAINS if chance.random() < abroad else US_DOMAINS)
    path = chance.choice(
        ("", "", "", "/", "/patient", "/portal/login", "/ref/8813", "/a-b/c.html", "?id=441")
    )
    start = chance.choice(("http://", "https://", "https://www.", "http://www.", "www.", ""))
    return f"{start}{host}.{end}{path}"


def _host(chance: random.Random) -> str:
    coined = (chance.choice(words("coined start")) + chance.choice(words("coined end"))).lower()
    return chance.choice((chance.choice(HOSTS), coined, f"{plain(hospital(chance))}"))[:30] or "example"


def plain(text: str, keep: str = "", lower: bool = True) -> str:
    """Its Latin letters and digits without accents."""
    bare = unicodedata.normalize("NFKD", text)
    bare = "".join(sign for sign in bare if sign.isascii() and (sign.isalnum() or sign in keep))
    return bare.lower() if lower else bare
