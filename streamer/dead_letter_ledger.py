"""Which notes were sent back: a compacted topic of one partition beside the dead letters.

Its keys are the places of notes, not of dead letters: at-least-once delivery may write two of one note.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType

from streamer.dead_letter_log import Log
from streamer.dead_letters import DeadLetter
from streamer.errors import SettingError, TopicMissing
from streamer.kafka_clients import admin_for, kafka_errors
from streamer.settings import Settings

POLICY = "cleanup.policy"


def ledger_topic(settings: Settings) -> str:
    return f"{settings.dead_letter_topic}-replayed"


def key_of(letter: DeadLetter) -> bytes:
    return str(letter.origin).encode()


def value_of(letter: DeadLetter, run: str) -> bytes:
    """For which dead letter, and by which run of the command."""
    return json.dumps({"deadLetter": str(letter.place), "reason": letter.reason, "run": run}).encode()


def run_of(value: bytes | None) -> str | None:
    """The run that a value names."""
    try:
        return str(json.loads(value or b"")["run"])
    except (ValueError, TypeError, KeyError):
        return None


async def sent_back(log: Log, settings: Settings) -> frozenset[bytes]:
    """The keys of the ledger as it is now; none when there is no ledger yet."""
    return frozenset([record.key or b"" async for record in log.everything(ledger_topic(settings))])


def make_ledger(settings: Settings) -> bool:
    """Makes the topic, with as many copies as the dead letters have, where it is missing: True then.

    Raises SettingError for one that would forget, or that has partitions with no order between them.
    """
    name = ledger_topic(settings)
    with kafka_errors(settings), admin_for(settings) as admin:
        there = {topic["name"]: topic for topic in admin.describe_topics() if not topic["error_code"]}
        if settings.dead_letter_topic not in there:
            raise TopicMissing([settings.dead_letter_topic])
        if name not in there:
            letters = there[settings.dead_letter_topic]["partitions"]
            return _made(admin, name, min(len(own["replica_nodes"]) for own in letters))
        wanted = [ConfigResource(ConfigResourceType.TOPIC, name, [POLICY])]
        answer = admin.describe_configs(wanted, config_filter="all")["topic"]
        if answer[name][POLICY]["value"] != "compact" or len(there[name]["partitions"]) != 1:
            raise SettingError(
                f"{name} has to be one compacted partition, or notes could be sent back twice. "
                f"Mend: kafka-configs.sh --bootstrap-server {settings.bootstrap} --alter "
                f"--entity-type topics --entity-name {name} --add-config {POLICY}=compact"
            )
        return False


def _made(admin: Any, name: str, copies: int) -> bool:
    configs = {POLICY: "compact"} | ({"min.insync.replicas": "2"} if copies >= 3 else {})
    wanted = {"num_partitions": 1, "replication_factor": copies, "configs": configs}
    with suppress(errors.TopicAlreadyExistsError):  # another operator was as quick
        admin.create_topics({name: wanted}, wait_for_metadata=True)
    return True
