"""The service's topics: made with the settings that it needs, and checked for them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType

from streamer.brokers import BATCH_OVERHEAD
from streamer.kafka_clients import admin_for, kafka_errors
from streamer.permissions import Permission, command
from streamer.settings import Settings

HEADER_BYTES = 256_000  # what a dead letter may carry beside its note
DAY_MS = 86_400_000
NOTES_DAYS, OTHERS_DAYS = 7, 30  # kept: notes; annotations, dead letters and vectors
PARTITIONS = 6


def create_topics(
    settings: Settings, partitions: int = PARTITIONS, replication: int | None = None
) -> list[str]:
    """Make those of the three topics that are missing; gives their names. Changes none that is there."""
    with kafka_errors(settings), admin_for(settings) as admin:
        there = set(admin.list_topics())
        wanted: dict[str, dict[str, Any]] = {}
        for name in settings.topics:
            days = NOTES_DAYS if name == settings.input_topic else OTHERS_DAYS
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


@dataclass(frozen=True)
class Problem:
    """What is wrong with a topic, and the command that mends it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}. Mend: {self.mend}"


@dataclass(frozen=True)
class Examined:
    """The topics as they are; `sealed`: those whose settings this user may not see. `allowed`: what it may do
    with each, None where brokers are too old to say."""

    problems: tuple[Problem, ...]
    sealed: tuple[str, ...]
    partitions: Mapping[str, int]
    allowed: Mapping[str, frozenset[str] | None]


def check_topics(settings: Settings) -> list[str]:
    """What is wrong with the topics, one line each with the command that mends it; empty: nothing."""
    seen = examine(settings)
    sealed = [
        Problem(f"{name} does not show its settings to this user", command(may_see(name), settings))
        for name in seen.sealed
    ]
    return [str(problem) for problem in (*seen.problems, *sealed)]


def may_see(name: str) -> Permission:
    """What lets a user see a topic's settings."""
    return Permission("DescribeConfigs", "topic", name)


def examine(settings: Settings) -> Examined:
    """Looks at every topic that the service needs. Raises SettingError or WorldError."""
    names = settings.topics
    with kafka_errors(settings), admin_for(settings) as admin:
        there = {topic["name"]: topic for topic in admin.describe_topics() if not topic["error_code"]}
        brokers = len(admin.describe_cluster()["brokers"])
        allowed = {name: _allowed(there[name]) for name in names if name in there}
        sealed = [n for n, own in allowed.items() if own is not None and "DESCRIBE_CONFIGS" not in own]
        configs = _configs(admin, [name for name in allowed if name not in sealed])
    partitions = {name: len(there[name]["partitions"]) for name in allowed}
    problems = [Problem(f"{n} is missing", "streamer topics create") for n in names if n not in there]
    for name, config in configs.items():
        copies = min(len(p["replica_nodes"]) for p in there[name]["partitions"])
        problems += _copies_problems(name, copies, brokers, config, settings)
        problems += _record_problems(name, config, settings)
    problems += _width_problems(partitions, settings)
    return Examined(tuple(problems), tuple(sealed), partitions, allowed)


def _allowed(topic: Mapping[str, Any]) -> frozenset[str] | None:
    operations = topic.get("authorized_operations")
    return None if operations is None else frozenset(operations)


def _width_problems(partitions: Mapping[str, int], settings: Settings) -> list[Problem]:
    notes, letters = settings.input_topic, settings.dead_letter_topic
    need, have = partitions.get(notes, 0), partitions.get(letters)
    if have is None or have >= need:
        return []
    what = f"{letters} has {have} partitions, {notes} has {need}, and a dead letter keeps the one of its note"
    return [Problem(what, widening(letters, need, settings))]


def widening(name: str, partitions: int, settings: Settings) -> str:
    """The command that gives a topic more partitions."""
    return (
        f"kafka-topics.sh --bootstrap-server {settings.bootstrap} --alter --topic {name} "
        f"--partitions {partitions}"
    )


def _copies_problems(
    name: str, copies: int, brokers: int, config: Mapping[str, str], settings: Settings
) -> list[Problem]:
    if copies < min(brokers, 3):
        what = f"{name} has {copies} copies on {brokers} brokers: a lost disk loses records"
        mend = "kafka-reassign-partitions.sh, or delete it and streamer topics create --replication 3"
        return [Problem(what, mend)]
    if copies >= 3 and int(config["min.insync.replicas"]) < 2:
        return [
            _config_problem(
                name, "acknowledges what one broker alone holds", "min.insync.replicas=2", settings
            )
        ]
    return []


def _record_problems(name: str, config: Mapping[str, str], settings: Settings) -> list[Problem]:
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


def _config_problem(name: str, what: str, setting: str, settings: Settings) -> Problem:
    return Problem(
        f"{name} {what}",
        f"kafka-configs.sh --bootstrap-server {settings.bootstrap} "
        f"--alter --entity-type topics --entity-name {name} --add-config {setting}",
    )


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    wanted = ["max.message.bytes", "min.insync.replicas", "cleanup.policy"]
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
    answer = admin.describe_configs(asked, config_filter="all")["topic"]
    return {name: {key: entry["value"] for key, entry in answer[name].items()} for name in names}
