"""Dead letters sent back on a real Kafka: each note once, whoever asks, however often, whatever is killed."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from streamer import dlq
from streamer import topics as records
from streamer.chaos.places import configure, produce, topics
from streamer.chaos.reader import Reader, by_document
from streamer.embedded import KafkaCluster
from streamer.errors import NoteError, SettingError
from streamer.topics import Headers, Incoming
from tests.fakes import BadName
from tests.integration.dead_letters import (
    asked,
    call,
    committed,
    dead,
    forget_before,
    ids,
    note,
    own_settings,
    replaying,
    worker,
)

CANARY = "Jane-Roe-1931"

# --- row 29 of the faults ------------------------------------------------------------------------


def test_after_a_mend_every_note_comes_out_once_however_often_it_is_replayed(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at = topics(kafka.bootstrap)
    kinds = {"good": "No fever.", "poison": "A poison.", "large": "fever " * 1000}
    notes = [(b"k%d" % (n % 5), note(f"{kind} {n}", text)) for n in range(8) for kind, text in kinds.items()]
    notes += [(b"k", b'{"cut'), (b"k", b"")]
    with Reader(at, by_document) as reader:
        with worker(at, tmp_path, max_note_bytes="2000") as before:
            produce(at, notes)
            reader.wait_for_records(len(notes))
            assert before.stop() == 0
        found = asked(at, "ls")
        assert {own["reason"]: own["waiting"] for own in found["reasons"]} == {
            "model-non-finite": 8, "too-large": 8, "json-invalid": 1, "empty": 1,
        }  # fmt: skip
        wanted = ("--reason", "model-non-finite", "--reason", "too-large", "--since", "1h")
        assert asked(at, "replay", *wanted, "--dry-run")["sent"] == 16
        with worker(at, tmp_path, mended=True, max_note_bytes="20000"):
            first = asked(at, "replay", *wanted)
            assert first["reasons"] == {"model-non-finite": 8, "too-large": 8}
            reader.wait_for_records(len(notes) + 16)
            second = asked(at, "replay", *wanted)
            assert (second["sent"], second["already"]) == (0, 16)
            seen = reader.wait_for_the_rest(len(notes) + 16, quiet_s=3.0)
    answered = {name for name in seen.records if name not in seen.reasons}
    assert answered == {f"{kind} {n}" for kind in kinds for n in range(8)}
    assert seen.twice == []
    assert asked(at, "ls")["waiting"] == 2


def test_what_was_not_mended_is_a_dead_letter_again_and_says_how_often_it_was_tried(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    with Reader(at, by_document) as reader, worker(at, tmp_path):
        produce(at, [(b"k", note("n", "poison"))])
        for attempt in (1, 2, 3):
            reader.wait_for_records(attempt)
            found = asked(at, "ls")
            assert (found["deadLetters"], found["waiting"]) == (attempt, 1)
            assert found["places"][-1]["attempts"] == attempt
            assert asked(at, "replay", "--all")["sent"] == 1


# --- each once -----------------------------------------------------------------------------------


def test_a_replay_that_is_killed_again_and_again_sends_each_note_once(kafka: KafkaCluster) -> None:
    at, count = topics(kafka.bootstrap), 400
    dead(at, count)
    chance = random.Random(4711)
    for share in (0.0, 0.3, 0.6):
        running = replaying(at)
        until = time.monotonic() + 60
        while len(ids(at)) <= share * count and running.poll() is None and time.monotonic() < until:
            pass
        time.sleep(chance.random() * 0.05)
        running.kill()
        running.communicate()
    last = asked(at, "replay", "--all")
    assert last["sent"] + last["already"] == count
    assert ids(at) == {f"model-non-finite {n}": 1 for n in range(count)}
    assert asked(at, "replay", "--all")["sent"] == 0


def test_of_operators_at_the_same_time_one_goes_on_and_no_note_goes_twice(kafka: KafkaCluster) -> None:
    at, count = topics(kafka.bootstrap), 600
    dead(at, count)
    running = [replaying(at) for _ in range(3)]
    ends = [(process.communicate(timeout=200), process.returncode) for process in running]
    overtaken = [errors for (_, errors), code in ends if code]
    assert len(overtaken) < 3
    assert all("another replay of" in errors for errors in overtaken)
    last = asked(at, "replay", "--all")
    assert last["sent"] + last["already"] == count
    assert ids(at) == {f"model-non-finite {n}": 1 for n in range(count)}


def test_two_dead_letters_of_one_note_send_it_once(kafka: KafkaCluster) -> None:
    """As at-least-once delivery writes them when a worker is killed."""
    at = topics(kafka.bootstrap)
    dead(at, 10)
    dead(at, 5)
    assert asked(at, "replay", "--all")["sent"] == 10
    assert asked(at, "replay", "--all") | {"already": 0} == asked(at, "replay", "--all", "--dry-run") | {
        "already": 0,
        "dryRun": False,
    }
    assert set(ids(at).values()) == {1}


@pytest.mark.timeout(600)
def test_a_broker_that_dies_in_mid_replay_is_waited_for() -> None:
    with KafkaCluster() as own:
        at, count = topics(own.bootstrap, partitions=2), 300
        dead(at, count)
        running = replaying(at)
        while not ids(at):
            assert running.poll() is None, running.communicate()
        own.kill(1)
        time.sleep(1)
        own.start(1)
        out, errors = running.communicate(timeout=200)
        assert running.returncode == 0, errors
        assert json.loads(out)["sent"] == count
        assert ids(at) == {f"model-non-finite {n}": 1 for n in range(count)}


# --- what goes back ------------------------------------------------------------------------------


def test_a_note_goes_back_as_it_came(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=3)
    theirs: Headers = (
        ("content-type", b"application/json"),
        ("x", b"1"),
        ("x", b"2"),
        ("streamer-lane", b"stat"),
    )
    dead(at, 6, headers=theirs)
    call(at, "replay", "--all")
    for record in committed(at, at.input):
        number = int(json.loads(record.value)["id"].rpartition(" ")[2])
        assert (record.key, record.partition) == (b"k%d" % number, number % 3)
        place = f"{at.input}/{number % 3}/{10**9 + number}".encode()
        ours = (("streamer-place", place), ("streamer-attempts", b"2"))
        assert tuple(record.headers) == theirs + ours


def test_filters_limit_and_places_choose(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap)
    dead(at, 8, "model-non-finite")
    dead(at, 4, "unknown-format", first=8)
    assert asked(at, "replay", "--reason", "unknown-format", "--limit", "3")["sent"] == 3
    assert asked(at, "replay", "--all", "--until", "1h")["sent"] == 0
    waiting = [own for own in asked(at, "ls")["places"] if not own["sentBack"]]
    assert len(waiting) == 9
    one = next(own["place"] for own in waiting if own["reason"] == "model-non-finite")
    assert asked(at, "replay", "--place", one) | {"foreign": 0} == {
        "dryRun": False, "sent": 1, "reasons": {"model-non-finite": 1}, "already": 0, "gone": [],
        "refused": [], "foreign": 0, "retries": 0,
    }  # fmt: skip


def test_a_reference_is_followed_while_its_note_is_there_and_named_when_it_is_gone(
    kafka: KafkaCluster,
) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    large = b"x" * 3_000_000
    producer = KafkaProducer(bootstrap_servers=at.bootstrap, max_request_size=5_000_000)
    for number in range(2):
        producer.send(at.input, large, b"k", headers=[("n", b"%d" % number), (BadName(b"x-\xff"), b"1")])
    producer.flush()
    for offset in (0, 1, 99):
        lies = Incoming(at.input, 0, offset, -1, b"k", large)
        out = records.dead_letter(lies, at.dead_letters, NoteError("too-large"))
        producer.send(out.topic, out.value, out.key, headers=list(out.headers))
    producer.flush()
    producer.close()
    forget_before(at, 1)
    assert [own["note"] for own in asked(at, "replay", "--all", "--dry-run", code=1)["gone"]] == [
        f"{at.input}/0/0",
        f"{at.input}/0/99",
    ]
    assert "and gone" in call(at, "show", f"{at.input}/0/0")
    assert "still on its topic" in call(at, "show", f"{at.input}/0/1")
    done = asked(at, "replay", "--all", code=1)
    assert (done["sent"], [own["note"] for own in done["gone"]]) == (
        1,
        [f"{at.input}/0/0", f"{at.input}/0/99"],
    )
    last = committed(at, at.input, first=2)[-1]
    assert (last.value, dict(last.headers)["n"]) == (large, b"1")


def test_what_its_topic_does_not_take_any_more_is_named_and_the_others_go(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    producer = KafkaProducer(bootstrap_servers=at.bootstrap)
    for offset, size in enumerate((10, 500_000, 10)):
        lies = Incoming(at.input, 0, offset, -1, b"k", note(f"n{offset}", "x" * size))
        out = records.dead_letter(lies, at.dead_letters, NoteError("device-out-of-memory"))
        producer.send(out.topic, out.value, out.key, headers=list(out.headers))
    producer.flush()
    producer.close()
    configure(at, at.input, "max.message.bytes", "200000")
    done = asked(at, "replay", "--all", code=1)
    assert (done["sent"], [own["note"] for own in done["refused"]]) == (2, [f"{at.input}/0/1"])
    assert ids(at) == {"n0": 1, "n2": 1}
    configure(at, at.input, "max.message.bytes", "1000000")
    assert asked(at, "replay", "--all")["sent"] == 1


# --- what is said --------------------------------------------------------------------------------


def test_nothing_of_a_note_is_said_but_to_who_asks_for_it(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    producer = KafkaProducer(bootstrap_servers=at.bootstrap)
    secret = CANARY.encode()
    lies = Incoming(at.input, 0, 5, -1, secret, note("n", f"{CANARY}\x1b[2J"), ((CANARY, secret),))
    out = records.dead_letter(lies, at.dead_letters, NoteError("model-non-finite"))
    producer.send(out.topic, out.value, out.key, headers=list(out.headers))
    producer.send(at.dead_letters, secret, secret, headers=[(CANARY, secret)])
    producer.flush()
    producer.close()
    place = f"{at.dead_letters}/0/0"
    said = (
        call(at, "ls")
        + call(at, "ls", "--json")
        + call(at, "show", place)
        + call(at, "show", place, "--json")
    )
    said += (
        call(at, "show", f"{at.input}/0/5")
        + call(at, "replay", "--all")
        + call(at, "replay", "--all", "--json")
    )
    assert CANARY not in said
    assert "1 records that are no dead letters of this service" in said
    assert "The encoder answered with a value that is not finite." in said
    told = call(at, "show", place, "--with-text")
    assert told.count(CANARY) == 4  # key, name and value of a header, text
    assert "\x1b" not in told
    assert not any(
        CANARY in str((own.key, own.value)) for own in committed(at, f"{at.dead_letters}-replayed")
    )


def test_a_ledger_that_forgets_is_refused(kafka: KafkaCluster) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    dead(at, 1)
    asked(at, "replay", "--all")
    configure(at, f"{at.dead_letters}-replayed", "cleanup.policy", "delete")
    done = CliRunner().invoke(dlq.app, ["replay", "--all"], env=own_settings(at))
    assert isinstance(done.exception, SettingError)
    assert "cleanup.policy=compact" in str(done.exception)
