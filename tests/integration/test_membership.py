"""A worker that is told to stop gives its place in the group away, or keeps it, as it was told."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.chaos.places import Topics, admin, topics
from streamer.chaos.processes import echo_workers
from streamer.embedded import KafkaCluster


def members(at: Topics) -> int:
    with admin(at.bootstrap) as client:
        (group,) = client.describe_groups([at.name]).values()
    return len(group["members"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("keeps", "left"), [("true", 1), ("false", 0)])
def test_a_worker_with_a_name_keeps_its_place_in_the_group_or_leaves(
    keeps: str, left: int, kafka: KafkaCluster, tmp_path: Path
) -> None:
    at = topics(kafka.bootstrap)
    own = {"instance_id": "ward-3-1", "keep_place": keeps, "session_timeout_s": "60"}
    with echo_workers(at, 1, tmp_path, **own) as (worker,):
        worker.wait_until_assigned()
        assert members(at) == 1
        assert worker.stop() == 0
        assert members(at) == left
