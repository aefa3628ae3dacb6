"""How this service reaches its Kafka brokers, and what must be there before it starts."""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streamer import permissions, reach
from streamer.errors import SettingError, TopicMissing, WorldError
from streamer.settings import Settings

REACH_S = 10.0
KAFKA_PORT = 9092
ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/@]+)(:(?P<port>[0-9]{1,5}))?")
BATCH_OVERHEAD = 128
"""What Kafka's `max.message.bytes` counts beside a record: the header of the batch that carries it."""


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with verified host names; None where the protocol has no TLS."""
    if "SSL" not in settings.security_protocol:
        return None
    try:
        context = ssl.create_default_context(cafile=_path(settings.ssl_cafile))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.ssl_certfile is not None:
            context.load_cert_chain(str(settings.ssl_certfile), _path(settings.ssl_keyfile))
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            "a certificate file of the ssl_… settings cannot be read "
            f"({type(error).__name__}): check ssl_cafile, ssl_certfile, ssl_keyfile"
        ) from None
    return context


def addresses(settings: Settings) -> list[tuple[str, int]]:
    """Hosts and ports to begin with. Raises SettingError for what is none."""
    found = []
    for part in settings.bootstrap.split(","):
        shape = ADDRESS.fullmatch(part.strip())
        if shape is None:
            raise SettingError(
                "STREAMER_BOOTSTRAP is no address: write host:port, or several with commas between"
            )
        found.append((shape["host"].strip("[]"), int(shape["port"] or KAFKA_PORT)))
    return found


def client_options(settings: Settings) -> dict[str, Any]:
    """The arguments that every aiokafka client of this service starts with."""
    addresses(settings)
    options: dict[str, Any] = {
        "bootstrap_servers": [part.strip() for part in settings.bootstrap.split(",")],
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        if settings.sasl_username is None or settings.sasl_password is None:
            raise SettingError(
                f"security_protocol {settings.security_protocol} needs a user: "
                "set STREAMER_SASL_USERNAME and STREAMER_SASL_PASSWORD"
            )
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    return options


async def check(settings: Settings) -> Mapping[str, int]:
    """The largest record, in bytes, that each of our topics accepts. Finds the topics; never makes one.

    Raises TopicMissing, NotAllowed, SettingError (refused credentials or certificates, too few dead-letter
    partitions) or WorldError (nobody answers).
    """
    async with reached(settings) as admin:
        return await _limits(admin, settings)


async def let_in(settings: Settings) -> None:
    """Returns when the brokers let this user in. Raises SettingError or WorldError."""
    async with reached(settings):
        return


@asynccontextmanager
async def reached(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that the brokers let in. Every error of it becomes one line: SettingError or WorldError."""
    options = client_options(settings)
    try:
        async with reach.farewell(), _started(options) as admin:
            yield admin
    except (SaslAuthenticationFailed, UnsupportedSaslMechanismError):
        raise SettingError(reach.USER_REFUSED) from None
    except (KafkaConnectionError, OSError):
        raise await reach.why_not(options, _unreachable(settings)) from None
    except KafkaError as error:
        raise WorldError(f"the brokers answered {type(error).__name__}; see their logs") from None


@asynccontextmanager
async def _started(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**options, request_timeout_ms=int(REACH_S * 1000))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def shown(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Partitions of every topic that this user may see."""
    # Asking for all topics makes none, as asking for one by name can where brokers create on demand.
    return {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics() if not t["error_code"]}


async def _limits(admin: AIOKafkaAdminClient, settings: Settings) -> Mapping[str, int]:
    names = settings.topics
    there = await shown(admin)
    missing = [name for name in names if name not in there]
    await permissions.require(admin, settings, missing, there.get(settings.input_topic, 0))
    if missing:
        raise TopicMissing(missing)
    if there[settings.dead_letter_topic] < there[settings.input_topic]:
        raise SettingError(
            f"{settings.dead_letter_topic} has fewer partitions than {settings.input_topic}, "
            "and a dead letter keeps its note's partition number: add partitions to it"
        )
    accepted = await _accepted_bytes(admin, names)
    return {name: min(settings.max_record_bytes, accepted.get(name, sys.maxsize)) for name in names}


async def _accepted_bytes(admin: AIOKafkaAdminClient, names: tuple[str, ...]) -> dict[str, int]:
    """`max.message.bytes` of each topic, less a batch's header; nothing where we may not ask.

    Then a record that is too large shows when the broker refuses it.
    """
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n) for n in names])
    except KafkaError:
        return {}
    found = {}
    for answer in answers:
        for error_code, _, _, name, entries in answer.resources:
            if error_code == 0:
                values = {entry[0]: entry[1] for entry in entries}
                found[name] = int(values["max.message.bytes"]) - BATCH_OVERHEAD
    return found


def _unreachable(settings: Settings) -> str:
    tls = ", STREAMER_SECURITY_PROTOCOL" if "SSL" in settings.security_protocol else ""
    return f"no Kafka broker answers at {settings.bootstrap}: check STREAMER_BOOTSTRAP{tls} and the network"


def _path(path: Any) -> str | None:
    return None if path is None else str(path)
