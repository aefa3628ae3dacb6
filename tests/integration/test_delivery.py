"""The delivery guarantee alone, on a real Kafka: workers are killed, frozen, stopped; no note is lost."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from kafka import KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec

from streamer.chaos.places import Topics, admin, configure, produce, topics
from streamer.chaos.processes import Process, echo_workers
from streamer.chaos.reader import Reader, Seen, by_value
from streamer.chaos.waiting import wait_until
from streamer.embedded import KafkaCluster
from tests.fakes import BadName

KEYS = 97


def numbered(count: int) -> list[tuple[bytes | None, bytes | None]]:
    """Notes 0…count-1 over `KEYS` keys."""
    return [(b"patient-%d" % (n % KEYS), b"%d" % n) for n in range(count)]


def assert_each_in_order(seen: Seen, count: int) -> None:
    """Every note is there, and each key's notes are in the order in which they were produced."""
    assert sorted(map(int, seen.records)) == list(range(count))
    for notes in seen.order.values():
        assert [int(note) for note in notes] == sorted(int(note) for note in notes)


def kill_three_times(workers: list[Process], reader: Reader, count: int) -> None:
    """One worker at a time, whenever a random share of the notes is through, and started again at once."""
    chance = random.Random(4711)
    for share in sorted(chance.uniform(0.05, 0.8) for _ in range(3)):
        reader.wait_for(int(share * count))
        victim = chance.choice(workers)
        victim.kill()
        victim.start()


def test_killed_workers_neither_lose_nor_double_a_note(kafka: KafkaCluster, tmp_path: Path) -> None:
    at, count = topics(kafka.bootstrap), 20_000
    produce(at, numbered(count))
    with Reader(at, by_value) as reader, echo_workers(at, 2, tmp_path, pause_ms="400") as workers:
        kill_three_times(workers, reader, count)
        seen = reader.wait_for_the_rest(count)
        assert [worker.stop() for worker in workers] == [0, 0]
    assert_each_in_order(seen, count)
    assert seen.twice == []


def test_a_frozen_worker_that_wakes_up_too_late_publishes_nothing(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at, count = topics(kafka.bootstrap), 2_000
    produce(at, numbered(count))
    with Reader(at, by_value) as reader, echo_workers(at, 2, tmp_path, pause_ms="2000") as workers:
        reader.wait_for(200)
        workers[0].signal(signal.SIGSTOP)
        reader.wait_for(count)  # the other one has taken over all partitions
        workers[0].signal(signal.SIGCONT)
        seen = reader.wait_for_the_rest(count, quiet_s=5.0)
    assert_each_in_order(seen, count)
    assert seen.twice == []


def test_stopping_in_mid_stream_drains_and_leaves_the_rest_to_the_next(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at, count = topics(kafka.bootstrap), 2_000
    produce(at, numbered(count))
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, pause_ms="1500") as workers:
        for share in (0.1, 0.5):
            workers[0].wait_until_assigned()
            reader.wait_for(int(share * count))
            began = time.monotonic()
            assert workers[0].stop(12) == 0
            assert time.monotonic() - began < 10
            workers[0].start()
        seen = reader.wait_for_the_rest(count)
    assert_each_in_order(seen, count)
    assert seen.twice == []


def test_workers_that_come_and_go_share_the_partitions(kafka: KafkaCluster, tmp_path: Path) -> None:
    at, count = topics(kafka.bootstrap), 4_000
    produce(at, numbered(count))
    with Reader(at, by_value) as reader, echo_workers(at, 2, tmp_path, pause_ms="800") as workers:
        for share in (0.1, 0.4, 0.7):
            reader.wait_for(int(share * count))
            workers[1].wait_until_assigned()
            assert workers[1].stop() == 0
            workers[1].start()
        seen = reader.wait_for_the_rest(count)
    assert_each_in_order(seen, count)
    assert seen.twice == []


def test_an_unforeseen_error_ends_the_worker_uncommitted_and_unquoted(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at, count = topics(kafka.bootstrap, partitions=1), 200
    notes = numbered(count)
    notes[100] = (b"patient-100", b"100")
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, pause_ms="5") as workers:
        produce(at, notes[:50])
        reader.wait_for(50)
        assert workers[0].stop() == 0
        workers[0].environment["ECHO_POISON"] = "100"
        workers[0].start()
        produce(at, notes[50:])
        assert workers[0].wait(60) == 1
        log = workers[0].log.read_text()
        assert "ZeroDivisionError at " in log
        assert "quote" not in log
        assert "patient" not in log
        del workers[0].environment["ECHO_POISON"]
        workers[0].start()
        seen = reader.wait_for_the_rest(count)
    assert_each_in_order(seen, count)
    assert seen.twice == []


def test_a_record_that_the_broker_does_not_accept_becomes_a_dead_letter(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at = topics(kafka.bootstrap, max_message_bytes="200000")
    notes = [(b"k%d" % n, b"large %d" % n if n % 10 == 3 else b"small %d" % n) for n in range(100)]
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, pause_ms="5"):
        produce(at, list(notes))
        seen = reader.wait_for_the_rest(100)
    assert seen.twice == []
    assert seen.reasons == {f"large {n}": "output-too-large" for n in range(3, 100, 10)}
    assert sorted(seen.records) == sorted(value.decode() for _, value in notes)


def test_a_limit_that_was_lowered_meanwhile_harms_no_neighbour(kafka: KafkaCluster, tmp_path: Path) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, pause_ms="5"):
        produce(at, [(b"k", b"first")])
        reader.wait_for(1)
        configure(at, at.output, "max.message.bytes", "200000")
        produce(at, [(b"k", b"large %d" % n if n == 7 else b"small %d" % n) for n in range(20)])
        seen = reader.wait_for_the_rest(21)
    assert seen.twice == []
    assert seen.reasons == {"large 7": "output-too-large"}


def test_64_partitions_of_transactions_some_of_them_aborted(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Aborted notes are none, and neither they nor the ends of transactions look like notes that wait."""
    at = topics(kafka.bootstrap, partitions=64)
    ends = ["abort", "commit", "commit", "abort", "commit", "abort"]
    with Reader(at, by_value) as reader, echo_workers(at, 2, tmp_path, pause_ms="5") as workers:
        produce_in_transactions(at, ends)
        committed = [n for n, end in enumerate(ends) if end == "commit"]
        seen = reader.wait_for_the_rest(64 * len(committed))
        wait_until(lambda: lag(at) == 0, 60, "nothing lags")
        assert [worker.stop() for worker in workers] == [0, 0]
    assert seen.twice == []
    assert seen.order == {b"%d" % p: [f"{p} {n}" for n in committed] for p in range(64)}


def produce_in_transactions(at: Topics, ends: Sequence[str]) -> None:
    """One note to every partition in each of them."""
    producer = KafkaProducer(bootstrap_servers=at.bootstrap, transactional_id=f"upstream-{at.name}")
    producer.init_transactions()
    for number, end in enumerate(ends):
        producer.begin_transaction()
        for partition in range(at.partitions):
            value = b"%d %d" % (partition, number)
            producer.send(at.input, key=b"%d" % partition, value=value, partition=partition)
        producer.flush()
        producer.abort_transaction() if end == "abort" else producer.commit_transaction()
    producer.close()


def lag(at: Topics) -> int:
    """Of the group, as tools count it: offsets between what is committed and the ends of partitions."""
    partitions = [TopicPartition(at.input, number) for number in range(at.partitions)]
    with admin(at.bootstrap) as client:
        done = client.list_group_offsets({at.name: partitions})[at.name]
        ends = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    return sum(ends[own].offset - max(done[own].offset, 0) for own in partitions)


def test_tombstones_and_empty_records_pass(kafka: KafkaCluster, tmp_path: Path) -> None:
    at = topics(kafka.bootstrap, partitions=1)

    def name(record: object) -> str:
        return f"{record.key!r} {record.value!r}"  # type: ignore[attr-defined]

    with Reader(at, name) as reader, echo_workers(at, 1, tmp_path, pause_ms="5"):
        produce(at, [(b"k", b"text"), (b"k", None), (None, b""), (None, b"no key")])
        seen = reader.wait_for_the_rest(4)
    assert sorted(seen.records) == ["None b''", "None b'no key'", "b'k' None", "b'k' b'text'"]


def test_header_names_of_any_bytes_block_nothing(kafka: KafkaCluster, tmp_path: Path) -> None:
    at = topics(kafka.bootstrap, partitions=1)
    produce_bad_names(at, 9)
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, pause_ms="5") as workers:
        seen = reader.wait_for_the_rest(9)
        assert workers[0].stop() == 0
    assert_each_in_order(seen, 9)
    assert seen.twice == []
    assert all(seen.headers[str(n)][-1] == ("x-\ufffd" if n % 4 == 1 else "x-é", b"%d" % n) for n in range(9))


def produce_bad_names(at: Topics, count: int) -> None:
    """One batch, compressed, in which some records have a header whose name is no text."""
    producer = KafkaProducer(bootstrap_servers=at.bootstrap, linger_ms=1000, compression_type="gzip")
    try:
        for number in range(count):
            name = BadName(b"x-\xff") if number % 4 == 1 else "x-é"
            producer.send(at.input, key=b"k", value=b"%d" % number, headers=[(name, b"%d" % number)])
        producer.flush()
    finally:
        producer.close()


# --- a pipeline that hangs -----------------------------------------------------------------------


def touched_s_ago(worker: Process) -> float:
    return time.time() - worker.ready_file.stat().st_mtime


def test_a_note_that_never_ends_makes_a_worker_unready_and_then_ends_it(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """All other partitions go on meanwhile."""
    at, count = topics(kafka.bootstrap), 400
    more = {"stall_s": "4", "unready_after_s": "1", "pause_ms": "5"}
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, hang="7", **more) as workers:
        workers[0].wait_until_assigned()
        produce(at, numbered(count))
        wait_until(lambda: not workers[0].ready_file.exists(), 30, "a worker with an old note is not ready")
        assert workers[0].wait(60) == 1
        assert "no note was finished" in workers[0].log.read_text()
        del workers[0].environment["ECHO_HANG"]
        workers[0].start()
        seen = reader.wait_for_the_rest(count)
    assert_each_in_order(seen, count)
    assert seen.twice == []


def test_a_worker_whose_event_loop_is_stuck_ends_by_its_watchdog_or_when_it_is_told(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at, count = topics(kafka.bootstrap), 200
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, block="7", stall_s="3") as workers:
        produce(at, numbered(count)[:-1])
        assert workers[0].wait(90) == 1
        assert "event loop of this worker stands still" in workers[0].log.read_text()
        workers[0].environment |= {"STREAMER_STALL_S": "600", "ECHO_BLOCK": str(count - 1)}
        workers[0].start()
        workers[0].wait_until_assigned()
        produce(at, numbered(count)[-1:])
        wait_until(lambda: touched_s_ago(workers[0]) > 2, 60, "the worker is stuck")
        began = time.monotonic()
        assert workers[0].stop(12) == 1
        assert time.monotonic() - began < 10
        assert "took too long to leave" in workers[0].log.read_text()
        del workers[0].environment["ECHO_BLOCK"]
        workers[0].start()
        seen = reader.wait_for_the_rest(count)
    assert_each_in_order(seen, count)
    assert seen.twice == []


def test_a_worker_that_asks_for_notes_and_gets_none_is_started_anew(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    at, count = topics(kafka.bootstrap), 200
    with Reader(at, by_value) as reader, echo_workers(at, 1, tmp_path, deaf="7", stall_s="4") as workers:
        produce(at, numbered(count)[:8])
        reader.wait_for(8)
        time.sleep(12)  # deaf, but nothing is there: that is no fault
        assert workers[0].exit_code is None
        produce(at, numbered(count)[8:])
        assert workers[0].wait(60) == 1
        assert "none reached this worker" in workers[0].log.read_text()
        del workers[0].environment["ECHO_DEAF"]
        workers[0].start()
        seen = reader.wait_for_the_rest(count)
    assert_each_in_order(seen, count)
    assert seen.twice == []
