"""Topics and a consumer group of one's own on a real Kafka, and notes put there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)

from streamer import settings as configuration

ROOT = Path(__file__).parents[2]
"""Where `streamer` and `models` are imported from."""
LARGEST_REQUEST = 25_000_000

AUTHORISING = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
"""Settings of brokers that know access lists; where there is none, everything is allowed."""

Message = tuple[bytes | None, bytes | None]
"""Key and value."""


@dataclass(frozen=True)
class Topics:
    """Three topics, and a group, that nobody else uses."""

    bootstrap: str
    name: str
    partitions: int

    @property
    def input(self) -> str:
        return f"notes-{self.name}"

    @property
    def output(self) -> str:
        return f"annotations-{self.name}"

    @property
    def dead_letters(self) -> str:
        return f"dead-{self.name}"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process of the service; `more` are settings without their prefix."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(configuration.PREFIX)}
        ours = {
            "BOOTSTRAP": self.bootstrap,
            "INPUT_TOPIC": self.input,
            "OUTPUT_TOPIC": self.output,
            "DEAD_LETTER_TOPIC": self.dead_letters,
            "GROUP": self.name,
            "SESSION_TIMEOUT_S": "6",
            "PRECISION": "fp32",
        } | {name.upper(): value for name, value in more.items()}
        return (
            clean
            | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            | {configuration.PREFIX + k: v for k, v in ours.items()}
        )


def topics(bootstrap: str, partitions: int = 4, **configs: str) -> Topics:
    """Three fresh topics; `configs` are settings of the output topic, underscores for dots."""
    made = Topics(bootstrap, uuid.uuid4().hex[:10], partitions)
    make(made, (made.input, made.output, made.dead_letters), **configs)
    return made


def make(at: Topics, names: Sequence[str], **configs: str) -> None:
    """Makes these of the topics; `configs` as in `topics`."""
    wanted: dict[str, dict[str, Any]] = {
        name: {"num_partitions": at.partitions, "replication_factor": -1} for name in names
    }
    if at.output in wanted:
        wanted[at.output]["configs"] = {k.replace("_", "."): v for k, v in configs.items()}
    with admin(at.bootstrap) as client:
        client.create_topics(wanted, wait_for_metadata=True)


@contextmanager
def admin(bootstrap: str) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def forbidden(at: Topics, topic: str) -> Iterator[None]:
    """Nobody may write to it, on brokers of `AUTHORISING`."""
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    kinds = ((ACLOperation.ALL, ACLPermissionType.ALLOW), (ACLOperation.WRITE, ACLPermissionType.DENY))
    lists = [ACL("User:*", "*", operation, permission, pattern) for operation, permission in kinds]
    with admin(at.bootstrap) as client:
        client.create_acls(lists)
        try:
            yield
        finally:
            client.delete_acls(
                [ACLFilter("User:*", "*", operation, permission, pattern) for operation, permission in kinds]
            )


def configure(at: Topics, topic: str, name: str, value: str) -> None:
    with admin(at.bootstrap) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})])


def produce(at: Topics, messages: Sequence[Message]) -> None:
    """Keys and values to the input topic; returns when every one is acknowledged."""
    put(at, [(key, value, ()) for key, value in messages])


def put(
    at: Topics, messages: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]]
) -> list[str]:
    """Keys, values and headers to the input topic; gives where each came to lie: `partition/offset`."""
    producer = KafkaProducer(
        bootstrap_servers=at.bootstrap, acks="all", linger_ms=5, max_request_size=LARGEST_REQUEST
    )
    try:
        sent = [
            producer.send(at.input, key=key, value=value, headers=list(headers))
            for key, value, headers in messages
        ]
        producer.flush()
        lies = [one.get(60) for one in sent]
        return [f"{one.partition}/{one.offset}" for one in lies]
    finally:
        producer.close()
