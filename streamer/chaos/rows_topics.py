"""Rows 10 and 12: a topic that the service writes to is gone, or forbidden to it."""

from __future__ import annotations

from collections.abc import Callable

from kafka import TopicPartition

from streamer.chaos import places
from streamer.chaos.bed import NARROW
from streamer.chaos.notes import Load, key, name
from streamer.chaos.rows_worker import whole
from streamer.chaos.trial import Trial

NOTICED_S = 90.0
REFUSED = "streamer_publish_errors_total"


def output_gone(trial: Trial) -> None:
    """Row 10: nothing is committed past it, the node says so, and goes on once it is back."""
    stage = trial.on(trial.bed.narrow())
    topic, count = stage.at.output, trial.bed.plan.notes // 2
    _gone(trial, topic, lambda: trial.send(count), {"max_message_bytes": NARROW})
    _forbidden(trial, topic, lambda: trial.send(count))


def dead_letters_gone(trial: Trial) -> None:
    """Row 12: what would be a dead letter is not lost for want of a place."""
    topic = trial.on(trial.bed.narrow()).at.dead_letters
    _gone(trial, topic, lambda: _broken(trial, first=900_000), {})
    trial.send(trial.bed.plan.notes // 2)
    _goes_on(trial)
    _forbidden(trial, topic, lambda: _broken(trial, first=910_000))


def _broken(trial: Trial, first: int) -> None:
    """Notes that must become dead letters."""
    row = trial.row
    trial.put([Load(name(row, first + n), key(row, n), b'{"cut', reason="json-invalid") for n in range(8)])


def _gone(trial: Trial, topic: str, send: Callable[[], None], configs: dict[str, str]) -> None:
    stage = trial.stage
    with places.admin(stage.at.bootstrap) as admin:
        admin.delete_topics([topic])
    _stands_still(trial, "gone", send)
    trial.bed.read_anew(stage, lambda: places.make(stage.at, [topic], **configs))
    _goes_on(trial)


def _forbidden(trial: Trial, topic: str, send: Callable[[], None]) -> None:
    with places.forbidden(trial.stage.at, topic):
        _stands_still(trial, "forbidden", send)
    _goes_on(trial)


def _stands_still(trial: Trial, how: str, send: Callable[[], None]) -> None:
    """Notes that need the topic are sent: the node says that it is not ready, counts, and commits nothing."""
    node = trial.stage.node
    with places.admin(trial.stage.at.bootstrap) as admin:
        before, refused = _committed(admin, trial.stage.at), node.metric(REFUSED)
        trial.fault()
        send()
        took = trial.until(
            lambda: not node.ready and node.metric(REFUSED) > refused,
            NOTICED_S,
            "the node is not ready and counts the refusal",
        )
        trial.remarks.append(f"{how}: not ready and counted after {took:.0f} s")
        after = _committed(admin, trial.stage.at)
    trial.require(before == after, f"offsets advanced while the topic was {how}")
    trial.require(node.exit_code is None, f"the node ended with exit code {node.exit_code}")


def _goes_on(trial: Trial) -> None:
    trial.until(lambda: _all_in(trial), 240, "every note comes out once the topic can be written to")
    trial.stage.reader.wait_for_the_rest(0, quiet_s=3.0)
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
