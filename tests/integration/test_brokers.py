"""What must be there before the service starts, against a real Kafka: each lack is one line."""

from __future__ import annotations

import pytest
from kafka.admin import KafkaAdminClient

from streamer import brokers, settings
from streamer.chaos.places import Topics, topics
from streamer.embedded import KafkaCluster
from streamer.errors import SettingError, TopicMissing, WorldError
from streamer.settings import Settings


def chosen(at: Topics, **more: str) -> Settings:
    names = {"input_topic": at.input, "output_topic": at.output, "dead_letter_topic": at.dead_letters}
    return settings.load(**({"bootstrap": at.bootstrap} | names | more))


async def test_every_topic_is_found_with_what_it_accepts(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=1, max_message_bytes="200000")
    limits = await brokers.check(chosen(at))
    assert limits[at.output] == 200_000 - brokers.BATCH_OVERHEAD
    assert limits[at.dead_letters] == settings.load().max_record_bytes


async def test_a_missing_topic_is_named_and_not_made(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    with pytest.raises(TopicMissing, match=r"^missing topic: nowhere\. .* streamer topics create$"):
        await brokers.check(chosen(at, output_topic="nowhere"))
    admin = KafkaAdminClient(bootstrap_servers=at.bootstrap)
    assert "nowhere" not in admin.list_topics()
    admin.close()


async def test_dead_letters_need_as_many_partitions_as_notes(kafka: KafkaCluster) -> None:
    narrow, wide = topics(kafka.bootstrap, partitions=1), topics(kafka.bootstrap, partitions=2)
    with pytest.raises(SettingError, match="fewer partitions"):
        await brokers.check(chosen(wide, dead_letter_topic=narrow.dead_letters))


async def test_brokers_that_do_not_answer_are_a_fault_of_the_world() -> None:
    with pytest.raises(WorldError, match=r"no Kafka broker answers at 127\.0\.0\.1:9: "):
        await brokers.check(settings.load(bootstrap="127.0.0.1:9"))
