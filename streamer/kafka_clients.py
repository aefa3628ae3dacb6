"""kafka-python's clients with our settings, for the command line; an error of theirs is one line of ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, errors
from kafka.admin import KafkaAdminClient

from streamer import brokers, reach
from streamer.brokers import client_options
from streamer.errors import SettingError, WorldError
from streamer.settings import Settings

REACH_MS = 10_000

for name in ("kafka", "aiokafka"):
    logging.getLogger(name).addHandler(logging.NullHandler())  # not to standard error: we say what is wrong


def options(settings: Settings) -> dict[str, Any]:
    return client_options(settings) | {"bootstrap_timeout_ms": REACH_MS, "request_timeout_ms": 30_000}


@contextmanager
def producer_for(settings: Settings) -> Iterator[Any]:
    producer = KafkaProducer(
        **options(settings),
        acks="all",
        linger_ms=5,
        max_request_size=settings.max_record_bytes,
        max_block_ms=REACH_MS,
        allow_auto_create_topics=False,
    )
    try:
        yield producer
    finally:
        producer.close()


@contextmanager
def consumer_for(settings: Settings) -> Iterator[Any]:
    """In no group; sees what is committed."""
    consumer = KafkaConsumer(
        **options(settings), isolation_level="read_committed", allow_auto_create_topics=False
    )
    try:
        yield consumer
    finally:
        consumer.close()


@contextmanager
def admin_for(settings: Settings) -> Iterator[Any]:
    admin = KafkaAdminClient(**options(settings))
    try:
        yield admin
    finally:
        admin.close()


@contextmanager
def kafka_errors(settings: Settings) -> Iterator[None]:
    """Every error of the client becomes one line of ours; its own text can hold what was sent."""
    asyncio.run(brokers.let_in(settings))  # kafka-python would try a refused user again for seconds
    try:
        yield
    except (errors.SaslAuthenticationFailedError, errors.UnsupportedSaslMechanismError):
        raise SettingError(reach.USER_REFUSED) from None
    except errors.AuthorizationError:
        raise SettingError(
            "the brokers do not allow this user to do this: grant it the operation on the topic"
        ) from None
    except (errors.KafkaTimeoutError, errors.KafkaConnectionError, OSError):
        otherwise = (
            f"no Kafka broker answers at {settings.bootstrap}: check STREAMER_BOOTSTRAP and the network"
        )
        raise asyncio.run(reach.why_not(client_options(settings), otherwise)) from None
    except errors.KafkaError as error:
        raise WorldError(f"the brokers answered {type(error).__name__}; see their logs") from None
