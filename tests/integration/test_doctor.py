"""`streamer doctor` beside the real servers: with TLS, users and access lists; every lack has its line."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from streamer import brokers, cli, permissions, topic_admin
from streamer import settings as configuration
from streamer.chaos.places import Topics, topics
from streamer.checkups import kafka as brokers_looked_at
from streamer.embedded import KafkaCluster, RedisServer
from streamer.errors import SettingError, StreamerError
from streamer.permissions import Permission
from streamer.settings import Settings
from tests.integration.secured import PASSWORD, REDIS_PASSWORD, Secured, redis_with_tls, until


def doctor(at: Topics, code: int, *arguments: str, **more: str) -> str:
    """What `streamer doctor` prints."""
    ours = {name: value for name, value in at.environment(**more).items() if name.startswith("STREAMER_")}
    done = CliRunner().invoke(cli.app, ["doctor", *arguments], env=ours)
    assert done.exit_code == code, done.exception or done.output
    assert not [secret for secret in (PASSWORD, REDIS_PASSWORD) if secret in done.output]
    return done.stdout


def wrong(at: Topics, **more: str) -> list[dict[str, str]]:
    checks: list[dict[str, str]] = json.loads(doctor(at, 1, "--json", **more))["checks"]
    return [check for check in checks if check["state"] == "bad"]


def own(secured: Secured, at: Topics, listener: str = "SCRAM", **more: Any) -> Settings:
    names = {"input_topic": at.input, "output_topic": at.output, "dead_letter_topic": at.dead_letters}
    return secured.settings(listener, group=at.name, **(names | more))


def granted(secured: Secured, at: Topics) -> tuple[Permission, ...]:
    lines = permissions.needed(own(secured, at))
    secured.grant(lines)
    return lines


def lets_us_start(settings: Settings) -> bool:
    try:
        asyncio.run(brokers.check(settings))
    except StreamerError:
        return False
    return True


def test_a_sound_node_is_told_so_and_nothing_of_its_secrets(secured: Secured) -> None:
    at = topics(secured.kafka.bootstrap)
    granted(secured, at)
    with redis_with_tls(secured.authority.issue("redis"), secured.authority.file) as url:
        more = secured.options() | {"redis": url, "cache_secret": "s"}
        until(lambda: lets_us_start(own(secured, at)))
        said = doctor(at, 0, **more)
    for line in (
        "speaks TLSv1.3, and its certificate is trusted",
        "✔ kafka: the brokers let User:annotator in",
        f"✔ kafka: this user has Write on transactional-id {at.name}-{at.input}-*",
        f"– kafka: settings of {at.input}: not looked at, this user may not see them",
        "✔ redis: when it is full it forgets (allkeys-lru)",
        "✔ checkpoint: ",
        "✔ machine: ",
    ):
        assert line in said
    assert said.rstrip().endswith("a node can start")


def test_without_any_one_line_of_the_list_the_service_refuses_and_the_doctor_names_it(
    secured: Secured,
) -> None:
    at = topics(secured.kafka.bootstrap)
    settings = own(secured, at)
    lines = granted(secured, at)
    until(lambda: lets_us_start(settings))
    for line in lines:
        secured.revoke(line)
        until(lambda: not lets_us_start(settings))
        with pytest.raises(SettingError, match="do not allow this user") as refusal:
            asyncio.run(brokers.check(settings))
        assert permissions.command(line, settings) in str(refusal.value)
        findings = asyncio.run(brokers_looked_at.look(settings))
        bad = [(finding.what, finding.mend) for finding in findings if finding.state == "bad"]
        assert bad == [(f"this user lacks {line}", permissions.command(line, settings))]
        secured.grant([line])
        until(lambda: lets_us_start(settings))


@pytest.mark.parametrize(
    ("listener", "more", "what"),
    [
        ("EXPIRED", {}, "has expired"),
        ("ELSEWHERE", {}, "is for another host"),
        ("SCRAM", {"sasl_password": "not-this-one"}, "the brokers refused the user"),
        ("MUTUAL", {"ssl_certfile": "/nowhere.pem"}, "cannot be read"),
    ],
)
def test_what_keeps_a_node_out_is_said_once(
    secured: Secured, listener: str, more: dict[str, str], what: str
) -> None:
    at = topics(secured.kafka.bootstrap)
    findings = asyncio.run(brokers_looked_at.look(own(secured, at, listener, **more)))
    (only,) = [finding for finding in findings if finding.state == "bad"]
    assert what in only.what
    assert only.mend
    assert "not-this-one" not in str(findings)


def test_topics_and_a_redis_that_are_not_as_they_should_be(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=2, max_message_bytes="200000")
    with KafkaProducer(bootstrap_servers=at.bootstrap) as producer:
        producer.send(at.input, b"a note", timestamp_ms=round((time.time() + 600) * 1000)).get(30)
    server = RedisServer(eviction="noeviction", max_memory=0, settings={"appendonly": "yes"})
    server.start()
    try:
        more = {"redis": server.url, "cache_secret": "s", "workers": "3", "embedding_topic": "nowhere"}
        said = "\n".join(f"{own['what']} -> {own['mend']}" for own in wrong(at, **more))
    finally:
        server.close()
    for line in (
        "nowhere is missing -> streamer topics create",
        f"{at.output} takes records of 200000 bytes",
        f"{at.input} has 2 partitions: of 3 workers only 2 have work",
        "s in the future: a clock is wrong",
        "its memory has no limit",
        "instead of forgetting (noeviction)",
        "it keeps the cache on disk",
    ):
        assert line in said
    assert len(said.splitlines()) == 7


def test_topics_of_vectors_are_made_too(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    chosen = configuration.load(
        bootstrap=at.bootstrap, input_topic=at.input, output_topic=at.output,
        dead_letter_topic=at.dead_letters, embedding_topic=f"vectors-{at.name}",
    )  # fmt: skip
    assert topic_admin.create_topics(chosen, partitions=1) == [f"vectors-{at.name}"]
    assert topic_admin.check_topics(chosen) == []
