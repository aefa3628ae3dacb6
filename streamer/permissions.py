"""What the service's user must be allowed to do on the brokers, and nothing more: least privilege.

`Read` and `Write` imply `Describe` (Kafka's own rule), and `Write` on a topic the idempotent writing (since
Kafka 2.8), so each line of `needed` is one that the service cannot do without. monitoring/acl.md ships it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.metadata import MetadataRequest

from streamer.errors import NotAllowed
from streamer.settings import Settings

Operation = Literal["Read", "Write", "DescribeConfigs"]
Kind = Literal["topic", "group", "transactional-id"]
GROUP, TRANSACTION = 0, 1
"""Kinds of coordinator: https://kafka.apache.org/protocol#The_Messages_FindCoordinator"""
NOBODY = "User:NAME"


@dataclass(frozen=True)
class Permission:
    """One line of an access list. `prefixed`: for whatever begins with `name`."""

    operation: Operation
    kind: Kind
    name: str
    prefixed: bool = False

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}{'*' if self.prefixed else ''}"


def needed(settings: Settings) -> tuple[Permission, ...]:
    """Every line that the service's user needs with these settings."""
    written = [settings.output_topic, settings.dead_letter_topic]
    if settings.embedding_topic is not None:
        written.append(settings.embedding_topic)
    lines = [
        Permission("Read", "topic", settings.input_topic),
        *(Permission("Write", "topic", name) for name in written),
        Permission("Read", "group", settings.group),
    ]
    if settings.delivery == "exactly_once":
        lines.append(Permission("Write", "transactional-id", transactional_ids(settings), prefixed=True))
    return tuple(lines)


def transactional_ids(settings: Settings) -> str:
    """How the transactional id of every partition begins; its number follows. See `streamer.delivery`."""
    return f"{settings.group}-{settings.input_topic}-"


def command(permission: Permission, settings: Settings) -> str:
    """What an administrator of the brokers types to grant it."""
    pattern = " --resource-pattern-type prefixed" if permission.prefixed else ""
    secured = "" if settings.security_protocol == "PLAINTEXT" else " --command-config admin.properties"
    return (
        f"kafka-acls.sh --bootstrap-server {settings.bootstrap}{secured} --add "
        f"--allow-principal '{principal(settings)}' --operation {permission.operation} "
        f"--{permission.kind} {permission.name}{pattern}"
    )


def principal(settings: Settings) -> str:
    """Whom the brokers take us for, unless they map names: a user, or a certificate's subject."""
    if settings.security_protocol.startswith("SASL"):
        return f"User:{settings.sasl_username}"
    if settings.security_protocol == "SSL" and settings.ssl_certfile is not None:
        return f"User:{_subject(settings.ssl_certfile)}"
    return NOBODY


def _subject(file: Path) -> str:
    from cryptography import x509  # needed only on the way out with an error

    try:
        return x509.load_pem_x509_certificate(file.read_bytes()).subject.rfc4514_string()
    except (OSError, ValueError):
        return NOBODY.removeprefix("User:")


async def refused(
    admin: AIOKafkaAdminClient, settings: Settings, hidden: Sequence[str], partitions: int
) -> list[Permission]:
    """What the brokers refuse this user of all that it needs, as far as can be known without doing it.

    `hidden` topics were not shown to it; `partitions`: of the input topic. What could not be asked, because
    a coordinator is not there yet, is not refused.
    """
    lines = needed(settings)
    found = []
    if hidden:
        # By name: Kafka then says whether a topic is missing or not to be seen.
        answer = await admin._send_request(MetadataRequest(list(hidden), allow_auto_topic_creation=False))
        codes = {topic["topic"]: topic["error_code"] for topic in answer.to_object()["topics"]}
        denied = TopicAuthorizationFailedError.errno
        found = [line for line in lines if line.kind == "topic" and codes.get(line.name) == denied]
    asked = [(line, GROUP, line.name) for line in lines if line.kind == "group"]
    for line in lines:
        if line.kind == "transactional-id":
            asked += [(line, TRANSACTION, f"{line.name}{number}") for number in range(max(partitions, 1))]
    may = await asyncio.gather(*[_may_find(admin, kind, name) for _, kind, name in asked])
    found += dict.fromkeys(line for (line, _, _), allowed in zip(asked, may, strict=True) if not allowed)
    return found


async def require(
    admin: AIOKafkaAdminClient, settings: Settings, hidden: Sequence[str], partitions: int
) -> None:
    """Raises NotAllowed for what is `refused`."""
    lines = await refused(admin, settings, hidden, partitions)
    if lines:
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        raise NotAllowed(
            f"the brokers do not allow this user {lines[0]}{more}: grant it with "
            f"{command(lines[0], settings)} (`streamer doctor` names all that is missing)"
        )


async def _may_find(admin: Any, kind: int, name: str) -> bool:
    try:
        await admin.find_coordinator(name, kind)
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
        return False
    except KafkaError:  # it is being elected: no verdict on us
        return True
    return True
