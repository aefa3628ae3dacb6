"""Dates from one to another."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.phi.dates import find_dates

DAYS = st.dates(date(1930, 1, 1), date(2029, 12, 31))


def said(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sorted({one.span for one in find_dates(text)})]


@given(DAYS, DAYS, st.sampled_from("-–"), st.booleans())
def test_both_ends_of_a_stretch_of_days_are_found(first: date, last: date, dash: str, short: bool) -> None:
    begin = f"{first.month}/{first.day}" + ("" if short else f"/{first.year}")
    end = f"{last.month:02}/{last.day:02}/{last.year}"
    assert said(f"in hospital {begin}{dash}{end}.") == [begin, end]


@pytest.mark.parametrize("text", ["49/86-10/15/2019", "1/2-3/4", "120/80-10/12/201", "a1/2-1/2/2019x"])
def test_what_the_calendar_has_not_is_no_stretch_of_days(text: str) -> None:
    assert said(text) == []
