"""Check digits: published examples hold, and one wrong digit does not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.surrogates import numbers
from models.phi import checks


@pytest.mark.parametrize(
    ("holds", "good"),
    [
        (checks.payment_card, "4111111111111111"),
        (checks.payment_card, "378282246310005"),
        (checks.npi, "1234567893"),  # of the standard's own description
        (checks.dea, "AB1234563"),
        (checks.vin, "1M8GDM9AXKP042788"),
        (checks.iban, "GB82 WEST 1234 5698 7654 32"),
        (checks.ipv4, "192.168.1.1"),
        (checks.ipv6, "2001:db8::8a2e:370:7334"),
    ],
)
def test_a_published_example_holds(holds: object, good: str) -> None:
    assert callable(holds)
    assert holds(good)
    at = good.rindex(next(sign for sign in reversed(good) if sign.isdigit()))
    wrong = good[:at] + str((int(good[at]) + 1) % 10) + good[at + 1 :]
    assert holds in (checks.ipv4, checks.ipv6) or not holds(wrong)


@settings(deadline=None)
@given(st.integers())
def test_what_is_made_up_with_check_digits_holds(seed: int) -> None:
    chance = random.Random(seed)
    assert checks.luhn("".join(filter(str.isdigit, numbers.card(chance))))
    assert checks.npi(numbers.npi(chance))
    assert checks.dea(numbers.dea("Smith", chance))
    assert checks.iban(numbers.iban(chance))
    assert checks.social_security(*_thirds(numbers.ssn(chance)))


def _thirds(number: str) -> tuple[str, str, str]:
    digits = "".join(filter(str.isdigit, number))
    return digits[:3], digits[3:5], digits[5:]


@pytest.mark.parametrize(
    "number", ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000"]
)
def test_social_security_numbers_that_are_not_given_out(number: str) -> None:
    assert not checks.social_security(*_thirds(number))


@pytest.mark.parametrize("text", ["1.2.1.3", "256.1.1.10", "1.2.3.1000"])
def test_no_addresses_of_machines(text: str) -> None:
    assert not checks.ipv4(text)


@pytest.mark.parametrize("text", ["12:30:45", "::", "a::b", "1:2:3", "12345::1:2"])
def test_times_and_ratios_are_no_addresses(text: str) -> None:
    assert not checks.ipv6(text)


def test_one_digit_over_and_over_is_no_card() -> None:
    assert not checks.payment_card("0" * 16)
    assert not checks.payment_card("4" * 16)
