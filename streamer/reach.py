"""Why no broker could be reached, of which aiokafka says only that none was; and how to take leave of one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streamer import tls
from streamer.errors import SettingError, StreamerError, WorldError

PATIENCE_MS, FAREWELL_S, LOOK_S = 5_000, 1.0, 0.005
USER_REFUSED = (
    "the brokers refused the user: check STREAMER_SASL_USERNAME, STREAMER_SASL_PASSWORD "
    "and STREAMER_SASL_MECHANISM"
)


async def why_not(options: Mapping[str, Any], otherwise: str) -> StreamerError:
    """`options`: of an aiokafka client. A SettingError where an answer of some broker shows that another try
    would fail too; else a WorldError that says `otherwise`."""
    rest = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    for address in options["bootstrap_servers"]:
        host, _, port = address.rpartition(":")
        error = await _error(host.strip("[]") or address, port, rest)
        if isinstance(error, SaslAuthenticationFailed | UnsupportedSaslMechanismError):
            return SettingError(USER_REFUSED)
        if isinstance(error, ssl.SSLError):
            return SettingError(str(tls.fault(error, address)))
        if isinstance(error, KafkaConnectionError | ConnectionResetError):
            return WorldError(
                f"{address} closes our connections: check STREAMER_SECURITY_PROTOCOL, and its log"
            )
    return WorldError(otherwise)


async def _error(host: str, port: str, options: Mapping[str, Any]) -> Exception | None:
    if not port.isdigit():
        return None
    async with farewell():
        connection = AIOKafkaConnection(host, int(port), request_timeout_ms=PATIENCE_MS, **options)
        try:
            await connection.connect()
        except (OSError, KafkaError, TimeoutError) as error:
            return _cause(error)
        finally:
            connection.close()
    return None


@asynccontextmanager
async def farewell() -> AsyncIterator[None]:
    """Waits at its end, a second at most, for what was connected within and closed to be gone.

    A client of aiokafka does not wait for the connection that it began with, and TLS takes leave in several
    turns of the loop: a loop that ended at once would leave the socket open behind it.
    """
    before = _connected()
    try:
        yield
    finally:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + FAREWELL_S
        while _connected() - before and loop.time() < give_up:
            await asyncio.sleep(LOOK_S)


def _connected() -> set[Any]:
    """The running loop's transports whose sockets are open. asyncio knows them by this name only; a loop that
    does not have it is not waited for."""
    known = getattr(asyncio.get_running_loop(), "_transports", {})
    return {own for own in list(known.values()) if own.get_extra_info("socket").fileno() >= 0}


def _cause(error: Exception) -> Exception:
    """What broke a connection that is told of as a mere loss: with TLS 1.3 a server says only after the
    handshake that it does not like the client's certificate."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error
