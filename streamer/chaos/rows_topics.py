"""Rows 10 and 12: a topic that the service writes to is gone."""

from __future__ import annotations

from kafka import TopicPartition

from streamer.chaos import places
from streamer.chaos.bed import NARROW
from streamer.chaos.notes import Load, key, name
from streamer.chaos.rows_worker import whole
from streamer.chaos.trial import Trial

NOTICED_S = 90.0


def output_gone(trial: Trial) -> None:
    """Row 10: nothing is committed past it, the node says so, and goes on once it is back."""
    stage = trial.on(trial.bed.narrow())
    _gone(trial, stage.at.output, [], {"max_message_bytes": NARROW})


def dead_letters_gone(trial: Trial) -> None:
    """Row 12: what would be a dead letter is not lost for want of a place."""
    stage = trial.on(trial.bed.narrow())
    number = 900_000
    broken = [
        Load(name(trial.row, number + n), key(trial.row, n), b'{"cut', reason="json-invalid")
        for n in range(8)
    ]
    _gone(trial, stage.at.dead_letters, broken, {})


def _gone(trial: Trial, topic: str, first: list[Load], configs: dict[str, str]) -> None:
    stage, node = trial.stage, trial.stage.node
    with places.admin(stage.at.bootstrap) as admin:
        admin.delete_topics([topic])
        before = _committed(admin, stage.at)
        refused = node.metric("streamer_publish_errors_total")
        trial.fault()
        trial.put(first)
        if not first:
            trial.send(trial.bed.plan.notes // 2)

        def noticed() -> bool:
            return not node.ready and node.metric("streamer_publish_errors_total") > refused

        took = trial.until(noticed, NOTICED_S, "the node is not ready and counts the refusal")
        trial.remarks.append(f"not ready and counted after {took:.0f} s")
        after = _committed(admin, stage.at)
        trial.require(before == after, "offsets advanced while the topic was gone")
        trial.require(node.exit_code is None, f"the node ended with exit code {node.exit_code}")
    trial.bed.read_anew(stage, lambda: places.make(stage.at, [topic], **configs))
    if first:
        trial.send(trial.bed.plan.notes // 2)
    trial.until(lambda: _all_in(trial), 240, "every note comes out once the topic is back")
    stage.reader.wait_for_the_rest(0, quiet_s=3.0)
    whole(trial)


def _all_in(trial: Trial) -> bool:
    times = trial.stage.reader.seen.times
    return all(own.load.id in times or own.place in times for own in trial.sent)


def _committed(admin: object, at: places.Topics) -> dict[TopicPartition, int]:
    """Offsets of the group."""
    answer = admin.list_group_offsets({at.name: None})  # type: ignore[attr-defined]
    return {
        partition: own.offset for partition, own in answer[at.name].items() if partition.topic == at.input
    }
