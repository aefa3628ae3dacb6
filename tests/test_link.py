import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zmq

from models.link import BURST, Link


@pytest.fixture
def address() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield f"ipc://{Path(folder)}/link.sock"


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


def unheard(_: list[bytes]) -> None:
    raise AssertionError("nothing should have been heard")


def unbroken(error: Exception) -> None:
    raise error


def bound(context: zmq.Context[zmq.Socket[bytes]], address: str) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.bind(address)
    return socket


def connected(context: zmq.Context[zmq.Socket[bytes]], address: str) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.connect(address)
    return socket


async def test_all_that_comes_is_heard_and_answered_in_order(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    """Both sides send while they hear: no message waits for the next to wake its reader."""
    count, heard, done = 20 * BURST, list[bytes](), asyncio.Event()

    def echo(frames: list[bytes]) -> None:
        assert server.send(frames)

    def hear(frames: list[bytes]) -> None:
        heard.append(frames[0])
        if len(heard) == count:
            done.set()

    server = Link(bound(context, address), echo, unbroken)
    client = Link(connected(context, address), hear, unbroken)
    for number in range(count):
        assert client.send([b"%d" % number])
        if number % 7 == 0:
            await asyncio.sleep(0)
    await asyncio.wait_for(done.wait(), 30)
    assert heard == [b"%d" % number for number in range(count)]
    client.close()
    server.close()


async def test_other_tasks_have_their_turn_in_a_flood(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    at: list[int] = []
    heard, done = 0, asyncio.Event()

    def hear(_: list[bytes]) -> None:
        nonlocal heard
        if not heard:
            asyncio.get_running_loop().call_soon(lambda: at.append(heard))
        heard += 1
        if heard == 10 * BURST:
            done.set()

    sender = connected(context, address)
    for _ in range(10 * BURST):
        sender.send_multipart([b"x"])
    link = Link(bound(context, address), hear, unbroken)
    await asyncio.wait_for(done.wait(), 30)
    assert at[0] <= BURST
    link.close()
    sender.close(linger=0)


async def test_what_cannot_go_is_not_sent(context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
    link = Link(bound(context, address), unheard, unbroken)
    assert not link.send([b"nobody", b"x"])
    link.close()
    link.close()
    assert not link.send([b"nobody", b"x"])


async def test_an_error_of_the_listener_ends_the_hearing_and_is_told_once(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    told: list[Exception] = []
    broken = asyncio.Event()

    def tell(error: Exception) -> None:
        told.append(error)
        broken.set()

    def hear(_: list[bytes]) -> None:
        raise KeyError

    link = Link(bound(context, address), hear, tell)
    sender = connected(context, address)
    for _ in range(3):
        sender.send(b"x")
    await asyncio.wait_for(broken.wait(), 30)
    sender.send(b"x")
    for _ in range(3):
        await asyncio.sleep(0.01)
    assert [type(error) for error in told] == [KeyError]
    link.close()
    sender.close(linger=0)


async def test_a_listener_may_close_it(context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
    done = asyncio.Event()

    def hear(_: list[bytes]) -> None:
        link.close()
        done.set()

    link = Link(bound(context, address), hear, unbroken)
    sender = connected(context, address)
    for _ in range(3):
        sender.send(b"x")
    await asyncio.wait_for(done.wait(), 30)
    sender.close(linger=0)
