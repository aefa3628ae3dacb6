"""How one takes leave of a broker: what was opened is gone before the loop ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from streamer import reach


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    """Of a server that says nothing."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


def is_open(writer: asyncio.StreamWriter) -> bool:
    return writer.get_extra_info("socket").fileno() >= 0  # type: ignore[no-any-return]


async def test_what_was_opened_within_and_closes_late_is_waited_for(address: tuple[str, int]) -> None:
    _, before = await asyncio.open_connection(*address)
    async with reach.farewell():
        _, within = await asyncio.open_connection(*address)
        asyncio.get_running_loop().call_later(0.05, within.close)
    assert not is_open(within)
    assert is_open(before), "what was there before is nobody's to wait for"
    before.close()
    await before.wait_closed()


async def test_what_stays_open_is_not_waited_for_for_ever(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "FAREWELL_S", 0.05)
    began = time.monotonic()
    async with reach.farewell():
        _, within = await asyncio.open_connection(*address)
    assert is_open(within)
    assert time.monotonic() - began >= 0.05
    within.close()
    await within.wait_closed()


async def test_an_error_within_passes_through() -> None:
    with pytest.raises(ValueError, match="as it was"):
        async with reach.farewell():
            raise ValueError("as it was")
