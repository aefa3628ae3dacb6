"""Made-up identifiers, numbers and dates, with the check digits that real ones have."""

from __future__ import annotations

import random
import string
from datetime import date, timedelta

from models.corpora.surrogates.tables import forms

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CARDS = (
    ("4", 16), ("4", 16), ("4", 13), ("4", 19), ("51", 16), ("5412", 16), ("2221", 16), ("34", 15),
    ("37", 15), ("6011", 16), ("65", 16), ("3528", 16), ("1800", 15), ("2131", 15), ("30", 14), ("36", 14),
    ("5018", 12), ("6304", 12), ("6759", 13), ("6761", 12),
)  # fmt: skip
"""First digits and lengths of the usual issuers' cards."""
IBANS = (
    ("GB", "AAAA99999999999999"), ("DE", "999999999999999999"), ("NL", "AAAA9999999999"),
    ("FR", "99999999999AA99999999999"), ("ES", "99999999999999999999"), ("IT", "A9999999999999999999999"),
    ("DK", "99999999999999"),
)  # fmt: skip
VIN_SIGNS = string.digits + "ABCDEFGHJKLMNPRSTUVWXYZ"
VIN_VALUES = (*range(10), 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9)
VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def pattern(form: str, chance: random.Random) -> str:
    """A form with a digit for each 9 and a capital for each A that begins no word; what is 0 stays."""
    drawn = {"9": string.digits, "A": string.ascii_uppercase}
    text = "".join(
        chance.choice(drawn[sign]) if sign in drawn and not following.islower() else sign
        for sign, following in zip(form, form[1:] + " ", strict=True)
    )
    return "4" + text[1:] if form[0] == "9" and text[0] == "0" else text


def number(kind: str, chance: random.Random) -> str:
    """A number in one of the forms of its kind in forms.tsv."""
    return pattern(chance.choice(forms(kind)), chance)


def phone(chance: random.Random, abroad: float) -> str:
    return number("phone" if chance.random() < abroad else "us phone", chance)


def ssn(chance: random.Random) -> str:
    """A social security number of an area and a group that are given out."""
    area = chance.choice([n for n in range(1, 900) if n != 666])
    joint = chance.choice(("-", "-", "-", "-", " ", ""))
    return f"{area:03}{joint}{chance.randint(1, 99):02}{joint}{chance.randint(1, 9999):04}"


def luhn_digit(digits: str) -> int:
    """The check digit of ISO/IEC 7812 (Luhn) for the given ones."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return -sum(value - 9 if value > 9 else value for value in doubled) % 10


def card(chance: random.Random) -> str:
    start, length = chance.choice(CARDS)
    digits = start + "".join(chance.choices(string.digits, k=length - len(start) - 1))
    digits += str(luhn_digit(digits))
    return grouped(digits, chance) if length == 16 else digits


def grouped(digits: str, chance: random.Random) -> str:
    """A quarter of them in groups of four."""
    if chance.random() < 0.75:
        return digits
    return chance.choice((" ", " ", "-")).join(digits[at : at + 4] for at in range(0, len(digits), 4))


def npi(chance: random.Random) -> str:
    """National provider identifier: ten digits; Luhn over 80840 and the first nine."""
    digits = "1" + "".join(chance.choices(string.digits, k=8))
    return digits + str(luhn_digit("80840" + digits))


def dea(last_name: str, chance: random.Random) -> str:
    """Number of the Drug Enforcement Administration: two letters, six digits and their check digit."""
    digits = [chance.randrange(10) for _ in range(6)]
    check = (sum(digits[0::2]) + 2 * sum(digits[1::2])) % 10
    initial = last_name[:1].upper() if last_name[:1].upper() in string.ascii_uppercase else "S"
    return chance.choice("ABFM") + initial + "".join(map(str, digits)) + str(check)


def vin(chance: random.Random) -> str:
    """Vehicle identification number with the check digit of 49 CFR 565.15 in its ninth place."""
    values = dict(zip(VIN_SIGNS, VIN_VALUES, strict=True))
    signs = [*chance.choices(VIN_SIGNS, k=11), *pattern("999999", chance)]
    rest = sum(values[sign] * weight for sign, weight in zip(signs, VIN_WEIGHTS, strict=True)) % 11
    signs[8] = "X" if rest == 10 else str(rest)
    return "".join(signs)


def iban(chance: random.Random) -> str:
    """International bank account number with the check digits of ISO 13616."""
    country, form = chance.choice(IBANS)
    body = pattern(form, chance)
    value = int("".join(str(int(sign, 36)) for sign in body + country + "00"))
    return grouped(f"{country}{98 - value % 97:02}{body}", chance)


def ip_address(chance: random.Random) -> str:
    if chance.random() < 0.85:
        return ".".join(str(chance.randint(1, 254)) for _ in range(4))
    groups = [f"{chance.randrange(1, 65536):x}" for _ in range(chance.choice((8, 4)))]
    return ":".join(groups) if len(groups) == 8 else "::".join((":".join(groups[:2]), ":".join(groups[2:])))


def day_between(first: int, last: int, chance: random.Random) -> date:
    """A day in the years from `first` to `last`."""
    start = date(first, 1, 1)
    return start + timedelta(days=chance.randrange((date(last + 1, 1, 1) - start).days))


def written(kind: str, day: date, chance: random.Random) -> str:
    """A day in one of the forms of `date`, `day` (without its year), `month year`, or `datetime`."""
    month = MONTHS[day.month - 1]
    short = "Sept" if month == "September" and chance.random() < 0.5 else month[:3]
    dot = "." if month != "May" and chance.random() < 0.2 else ""
    return chance.choice(forms(kind)).format(
        d=day.day, m=day.month, y=day.year, yy=day.year % 100, nth=ordinal(day.day), month=month,
        mon=month[:3], short=short + dot, caps=month[:3].upper(), weekday=WEEKDAYS[day.weekday()],
        clock=f"{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}",
    )  # fmt: skip


def ordinal(value: int) -> str:
    ending = "th" if 10 < value < 14 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def clock(chance: random.Random) -> str:
    hour, minute = chance.randrange(24), f"{chance.randrange(60):02}"
    later = hour % 12 + 1
    return chance.choice(
        (f"{hour:02}:{minute}", f"{hour:02}{minute}", f"{later}:{minute} PM", f"{later} a.m.")
    )
