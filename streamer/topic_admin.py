"""The service's three topics: made with the settings that it needs, and checked for them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType

from streamer.brokers import BATCH_OVERHEAD
from streamer.kafka_clients import admin_for, kafka_errors
from streamer.settings import Settings

HEADER_BYTES = 256_000  # what a dead letter may carry beside its note
DAY_MS = 86_400_000
RETENTION_DAYS = (7, 30, 30)  # notes, annotations, dead letters
PARTITIONS = 6


def create_topics(
    settings: Settings, partitions: int = PARTITIONS, replication: int | None = None
) -> list[str]:
    """Make those of the three topics that are missing; gives their names. Changes none that is there."""
    with kafka_errors(settings), admin_for(settings) as admin:
        there = set(admin.list_topics())
        wanted: dict[str, dict[str, Any]] = {}
        for name, days in zip(settings.topics, RETENTION_DAYS, strict=True):
            configs = {
                "max.message.bytes": str(settings.max_record_bytes + BATCH_OVERHEAD),
                "retention.ms": str(days * DAY_MS),
                "cleanup.policy": "delete",
            }
            if replication is not None and replication >= 3:
                configs["min.insync.replicas"] = "2"
            if name not in there:
                wanted[name] = {
                    "num_partitions": partitions,
                    "replication_factor": -1 if replication is None else replication,
                    "configs": configs,
                }
        if wanted:
            with suppress(errors.TopicAlreadyExistsError):  # another operator was as quick
                admin.create_topics(wanted, wait_for_metadata=True)
        return list(wanted)


def check_topics(settings: Settings) -> list[str]:
    """What is wrong with the topics, one line each with the command that mends it; empty: nothing."""
    names = settings.topics
    with kafka_errors(settings), admin_for(settings) as admin:
        there = {topic["name"]: topic for topic in admin.describe_topics() if not topic["error_code"]}
        brokers = len(admin.describe_cluster()["brokers"])
        found = [name for name in names if name in there]
        configs = _configs(admin, found)
    problems = [f"{n} is missing. Make it: streamer topics create" for n in names if n not in there]
    for name in found:
        copies = min(len(p["replica_nodes"]) for p in there[name]["partitions"])
        problems += _copies_problems(name, copies, brokers, configs[name], settings)
        problems += _record_problems(name, configs[name], settings)
    notes, _, dead_letters = names
    if {notes, dead_letters} <= there.keys():
        need, have = (len(there[name]["partitions"]) for name in (notes, dead_letters))
        if have < need:
            problems.append(
                f"{dead_letters} has {have} partitions, {notes} has {need}, and a dead letter keeps the "
                f"partition of its note. Mend: kafka-topics.sh --bootstrap-server {settings.bootstrap} "
                f"--alter --topic {dead_letters} --partitions {need}"
            )
    return problems


def _copies_problems(
    name: str, copies: int, brokers: int, config: Mapping[str, str], settings: Settings
) -> list[str]:
    if copies < min(brokers, 3):
        return [
            f"{name} has {copies} copies on {brokers} brokers: a lost disk loses records. "
            f"Mend: kafka-reassign-partitions.sh, or delete it and streamer topics create --replication 3"
        ]
    if copies >= 3 and int(config["min.insync.replicas"]) < 2:
        return [
            _config_problem(
                name, "acknowledges what one broker alone holds", "min.insync.replicas=2", settings
            )
        ]
    return []


def _record_problems(name: str, config: Mapping[str, str], settings: Settings) -> list[str]:
    problems = []
    need = settings.max_note_bytes + HEADER_BYTES + BATCH_OVERHEAD
    have = int(config["max.message.bytes"])
    if have < need:
        what = f"takes records of {have} bytes, and a note of max_note_bytes with its headers needs {need}"
        problems.append(_config_problem(name, what, f"max.message.bytes={need}", settings))
    if name == settings.input_topic and "compact" in config["cleanup.policy"]:
        problems.append(
            _config_problem(name, "drops all but a key's last note", "cleanup.policy=delete", settings)
        )
    return problems


def _config_problem(name: str, what: str, setting: str, settings: Settings) -> str:
    return (
        f"{name} {what}. Mend: kafka-configs.sh --bootstrap-server {settings.bootstrap} "
        f"--alter --entity-type topics --entity-name {name} --add-config {setting}"
    )


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    wanted = ["max.message.bytes", "min.insync.replicas", "cleanup.policy"]
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
    answer = admin.describe_configs(asked, config_filter="all")["topic"]
    return {name: {key: entry["value"] for key, entry in answer[name].items()} for name in names}
