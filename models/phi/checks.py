"""Check digits and ranges that tell an identifier from any other number."""

from __future__ import annotations

import ipaddress
import re

VIN_SIGNS = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
VIN_VALUES = (*range(10), 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9)
VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
ISSUED = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[068]|35|6011|6[45]|62|1800|2131|50|5[6-9]|6[37]")
"""First digits of the payment cards in use (ISO/IEC 7812)."""


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    turned = [int(digit) for digit in reversed(digits)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in turned[1::2])
    return (sum(turned[0::2]) + sum(doubled)) % 10 == 0


def payment_card(digits: str) -> bool:
    """A number of 12 to 19 digits as cards have it. One digit over and over is none."""
    return 12 <= len(digits) <= 19 and bool(ISSUED.match(digits)) and len(set(digits)) > 1 and luhn(digits)


def iban(text: str) -> bool:
    """ISO 13616: the country's sign, two check digits, up to thirty signs; modulo 97."""
    plain = text.replace(" ", "").replace("-", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d\d[A-Z0-9]{11,30}", plain):
        return False
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def npi(digits: str) -> bool:
    """National provider identifier: ten digits, 1 or 2 first, Luhn with 80840 in front (45 CFR 162.406)."""
    return len(digits) == 10 and digits[0] in "12" and luhn("80840" + digits)


def dea(text: str) -> bool:
    """Registration with the Drug Enforcement Administration: two letters, six digits, a check digit."""
    if not re.fullmatch(r"[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}", text):
        return False
    digits = [int(sign) for sign in text[2:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def vin(text: str) -> bool:
    """Vehicle identification number: seventeen signs, the ninth of them a check digit (49 CFR 565.15)."""
    if len(text) != 17 or not set(text) <= set(VIN_SIGNS) or text.isdigit() or text.isalpha():
        return False
    total = sum(VIN_VALUES[VIN_SIGNS.index(s)] * weight for s, weight in zip(text, VIN_WEIGHTS, strict=True))
    return text[8] == "0123456789X"[total % 11]


def social_security(area: str, group: str, serial: str) -> bool:
    """Whether a number can have been given out (20 CFR 422.103: no 000, 666, 9xx; no 00; no 0000)."""
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def ipv4(text: str) -> bool:
    """Four numbers up to 255; an outline's "1.2.1.3" (all under ten) is none."""
    parts = text.split(".")
    return all(len(part) < 4 and int(part) < 256 for part in parts) and any(len(part) > 1 for part in parts)


def ipv6(text: str) -> bool:
    """An address of RFC 4291 with three groups at least."""
    if sum(bool(part) for part in text.split(":")) < 3 or not ("::" in text or text.count(":") == 7):
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
