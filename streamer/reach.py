"""Why no broker could be reached: aiokafka says only that none was."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
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

PATIENCE_MS, FAREWELL_S = 5_000, 1.0
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
    connection = AIOKafkaConnection(host, int(port), request_timeout_ms=PATIENCE_MS, **options)
    try:
        await connection.connect()
    except (OSError, KafkaError, TimeoutError) as error:
        return _cause(error)
    else:
        return None
    finally:
        closed = connection.close()
        if connection._protocol is not None:  # it came up; TLS takes leave in several turns of the loop
            await asyncio.wait([closed], timeout=FAREWELL_S)
        else:
            await asyncio.sleep(0)


def _cause(error: Exception) -> Exception:
    """What broke a connection that is told of as a mere loss: with TLS 1.3 a server says only after the
    handshake that it does not like the client's certificate."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error
