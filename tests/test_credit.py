import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.credit import Credit


async def settle() -> None:
    """Until everyone that can go has gone."""
    for _ in range(3):
        await asyncio.sleep(0)


class Takers:
    """Each takes an amount, and is listed when it got it."""

    def __init__(self, credit: Credit) -> None:
        self.credit = credit
        self.got: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def want(self, *amounts: int) -> None:
        self.tasks += [asyncio.create_task(self._take(amount)) for amount in amounts]
        await settle()

    async def _take(self, amount: int) -> None:
        await self.credit.take(amount)
        self.got.append(amount)


async def test_who_comes_first_goes_first_even_if_a_later_one_would_fit() -> None:
    takers = Takers(Credit(10))
    await takers.want(6, 7, 1)
    assert takers.got == [6]
    takers.credit.give(6)
    await settle()
    assert takers.got == [6, 7, 1]


async def test_what_is_larger_than_the_room_goes_alone() -> None:
    takers = Takers(Credit(10))
    await takers.want(3, 25, 2)
    assert takers.got == [3]
    takers.credit.give(3)
    await settle()
    assert takers.got == [3, 25]
    takers.credit.give(25)
    await settle()
    assert takers.got == [3, 25, 2]


async def test_another_room_lets_others_in_or_keeps_them_out() -> None:
    takers = Takers(Credit())
    await takers.want(4, 4, 4)
    assert takers.got == [4]
    takers.credit.allow(8)
    await settle()
    assert takers.got == [4, 4]
    takers.credit.allow(4)
    takers.credit.give(4)
    await settle()
    assert takers.got == [4, 4]
    takers.credit.give(4)
    await settle()
    assert takers.got == [4, 4, 4]


@pytest.mark.parametrize("let_in_first", [False, True])
async def test_who_gives_up_keeps_nobody_waiting_and_nothing(let_in_first: bool) -> None:
    takers = Takers(Credit(10))
    await takers.want(8, 9, 2)
    if let_in_first:
        takers.credit.give(8)
        takers.tasks[1].cancel()
        await settle()
        assert (takers.got, takers.credit.outstanding) == ([8, 2], 2)
    else:
        takers.tasks[1].cancel()
        await settle()
        assert (takers.got, takers.credit.outstanding) == ([8, 2], 10)


@given(room=st.integers(0, 30), amounts=st.lists(st.integers(1, 20), max_size=30))
def test_never_more_than_the_room_and_everyone_in_the_end(room: int, amounts: list[int]) -> None:
    async def run() -> None:
        credit = Credit(room)
        takers = Takers(credit)
        await takers.want(*amounts)
        given_back = 0
        while given_back < len(amounts):
            assert credit.outstanding <= room or len(takers.got) == given_back + 1
            credit.give(takers.got[given_back])
            given_back += 1
            await settle()
        assert takers.got == amounts
        assert credit.outstanding == 0

    asyncio.run(run())
