"""Rows 5, 6 and 7: brokers that are killed, on three of them."""

from __future__ import annotations

import time
from typing import Any

from kafka.errors import KafkaError

from streamer.chaos import places
from streamer.chaos.bed import Stage
from streamer.chaos.rows_worker import whole
from streamer.chaos.trial import BACKLOG, Trial
from streamer.embedded import KafkaCluster

IN_SYNC_S, RESUMED_S = 120.0, 30.0
TRANSACTIONS = "__transaction_state"


def leaders_killed(trial: Trial) -> None:
    """Row 5: the leader of an input partition, hard and clean in turns."""
    stage, plan = trial.on(trial.bed.trio()), trial.bed.plan
    kills = plan.times(2, 5)
    for number in range(kills):
        part = min(plan.notes // kills, BACKLOG)
        trial.send(part)
        trial.wait_for(len(trial.sent) - part * 0.8)
        victim = _leader(stage, stage.at.input, trial.chance.randrange(stage.at.partitions))
        _down_and_up(trial, victim, hard=number % 2 == 0)
        trial.stream((number + 1) * plan.notes // kills)
    trial.wait_for_all(quiet_s=5.0)
    whole(trial)


def coordinator_killed(trial: Trial) -> None:
    """Row 6: the coordinator of a partition's transactions, while they follow one another."""
    stage, plan = trial.on(trial.bed.trio()), trial.bed.plan
    kills = plan.times(1, 5)
    for number, share in enumerate(trial.shares(kills), start=1):
        part = min(plan.notes // kills, BACKLOG)
        trial.send(part)
        trial.wait_for(len(trial.sent) - part * (1 - share))
        partition = trial.chance.randrange(stage.at.partitions)
        own = f"{stage.at.name}-{stage.at.input}-{partition}"
        with places.admin(stage.at.bootstrap) as admin:
            (found,) = admin.describe_topics([TRANSACTIONS])
        victim = _leader(stage, TRANSACTIONS, java_hash(own) % len(found["partitions"]))
        _down_and_up(trial, victim, hard=True)
        trial.stream(number * plan.notes // kills)
    trial.wait_for_all(quiet_s=5.0)
    whole(trial)


def all_down(trial: Trial) -> None:
    """Row 7: every broker killed; the node stays, and goes on when they are back."""
    stage, plan = trial.on(trial.bed.trio()), trial.bed.plan
    cluster = _cluster(stage)
    trial.send(plan.notes)
    trial.wait_for(plan.notes * 0.1)
    trial.fault()
    for broker in cluster.brokers:
        cluster.kill(broker)
    seen, down_s = trial.seen, plan.times(10, 30)
    trial.require(seen < plan.notes, "it was over before the brokers went: give it more --notes")
    time.sleep(trial.patience(down_s))
    trial.require(stage.node.exit_code is None, "the node ended for want of brokers")
    cluster.start()
    took = trial.until(lambda: trial.seen > seen, 240, "notes come out again")
    trial.require(took <= RESUMED_S, f"notes came out again {took:.0f} s after the brokers' return")
    trial.remarks.append(f"down for {down_s} s, notes again {took:.0f} s after the return")
    trial.wait_for_all(quiet_s=5.0)
    whole(trial)


def java_hash(text: str) -> int:
    """`Utils.abs(text.hashCode())` of Kafka: which partition of its log knows a transactional id."""
    number = 0
    for character in text:
        number = (31 * number + ord(character)) & 0xFFFFFFFF
    signed = number - (1 << 32) if number >= 1 << 31 else number
    return 0 if signed == -(1 << 31) else abs(signed)


def _down_and_up(trial: Trial, broker: int, hard: bool) -> None:
    cluster = _cluster(trial.stage)
    trial.fault()
    cluster.kill(broker, hard)
    time.sleep(trial.patience(2.0))  # so that it is missed
    cluster.start(broker)
    trial.until(lambda: _in_sync(trial.stage), IN_SYNC_S, "every copy is in sync again")


def _cluster(stage: Stage) -> KafkaCluster:
    assert stage.cluster is not None
    return stage.cluster


def _leader(stage: Stage, topic: str, partition: int) -> int:
    return int(
        next(own["leader_id"] for own in _partitions(stage, topic) if own["partition_index"] == partition)
    )


def _in_sync(stage: Stage) -> bool:
    try:
        topics = (stage.at.input, stage.at.output, TRANSACTIONS)
        return all(len(own["isr_nodes"]) == 3 for topic in topics for own in _partitions(stage, topic))
    except KafkaError:
        return False


def _partitions(stage: Stage, topic: str) -> list[dict[str, Any]]:
    with places.admin(stage.at.bootstrap) as admin:
        (found,) = admin.describe_topics([topic])
    return list(found["partitions"])
