"""What a user sees on the real servers: exact records, dead letters with reasons, the cache at work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from kafka import KafkaProducer

from streamer import schemas
from streamer.chaos.places import Topics, topics
from streamer.chaos.processes import Node
from streamer.chaos.reader import Reader, by_document, without_timings
from streamer.embedded import KafkaCluster, RedisServer

CANARY = "Zebulon Quartermain"
MARKS = ("é", "e\u0301", "😀", "👩\u200d⚕️", "\r\n", "\u200f", "ﷺ", "Å", "\u0000", "\ufeff", "İ", "ß")


class Service:
    """A running node and everything that came out of it so far."""

    def __init__(self, at: Topics, node: Node) -> None:
        self.at, self.node = at, node
        self.values: dict[str, list[bytes | None]] = {}
        self.reader = Reader(at, self._enter)
        self._sent = 0

    def _enter(self, record: Any) -> str:
        note = "tombstone" if record.value is None and record.key == b"gone" else by_document(record)
        self.values.setdefault(note, []).append(record.value)
        return note

    def answer(self, messages: Sequence[tuple[bytes | None, bytes | None]]) -> None:
        """Send, and wait until as much came out as went in."""
        producer = KafkaProducer(bootstrap_servers=self.at.bootstrap, acks="all", max_request_size=25_000_000)
        try:
            for key, value in messages:
                producer.send(self.at.input, key=key, value=value)
            producer.flush()
        finally:
            producer.close()
        self._sent += len(messages)
        self.reader.wait_for_records(self._sent)

    def record(self, note: str, time: int = 0) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.values[note][time] or b"")
        return record

    def metrics(self) -> str:
        return self.node.get("/metrics")[1]


@pytest.fixture(scope="module")
def service(
    kafka: KafkaCluster, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    at = topics(kafka.bootstrap)
    folder = tmp_path_factory.mktemp("answers")
    node = Node(at, folder, redis=redis_server.url, cache_secret="of one test run, long enough for a key")
    try:
        node.wait_until_ready()
        service = Service(at, node)
        with service.reader:
            yield service
        assert node.stop() == 0
    finally:
        node.end()


def strange(number: int) -> str:
    mark = MARKS[number % len(MARKS)]
    return (
        f"Visit {number}.{mark} No fe{mark if mark.isalpha() else ''}ver, denies chest pain {mark}\r\n"
        f"{mark}Takes aspirin 81 mg daily.{mark} Possible pneumonia{mark}."
    )


def note(note_id: str, text: str) -> bytes:
    return json.dumps({"id": note_id, "text": text}).encode()


def test_a_thousand_strange_notes_are_exact_and_the_same_twice(service: Service) -> None:
    texts = {f"strange-{number}": strange(number) for number in range(1000)}
    notes: list[tuple[bytes | None, bytes | None]] = [(b"k", note(i, text)) for i, text in texts.items()]
    schema = Draft202012Validator(schemas.read("annotation-1.json"))
    service.answer(notes)
    service.answer(notes)
    entities = 0
    for i, text in texts.items():
        record = service.record(i)
        schema.validate(record)
        assert record["document"]["characters"] == len(text)
        for entity in record["entities"]:
            assert text[entity["span"]["start"] : entity["span"]["end"]] == entity["text"]
            entities += 1
        first, again = service.values[i]
        assert without_timings(first) == without_timings(again)
    assert entities > 1000


def test_an_edit_of_one_sentence_reads_two_passages_at_most(service: Service) -> None:
    sentences = [
        f"On day {n} the patient had a temperature of {36 + n % 4}.{n % 10} and took {n} mg of prednisone "
        f"with water, without any nausea."
        for n in range(150)
    ]
    assert len(" ".join(sentences).split()) >= 3000
    service.answer([(b"edit", note("long-1", "HOSPITAL COURSE:\n" + " ".join(sentences)))])
    before = misses(service)
    sentences[75] = "She was seen by cardiology, who found no murmur."
    service.answer([(b"edit", note("long-2", "HOSPITAL COURSE:\n" + " ".join(sentences)))])
    timings = service.record("long-2")["timings"]
    assert timings["passages"] > 20
    assert 1 <= timings["passages"] - timings["cachedPassages"] <= 2
    assert 1 <= misses(service) - before <= 2


def misses(service: Service) -> float:
    wanted = 'streamer_cache_passages_total{outcome="miss"}'
    return sum(float(line.split()[-1]) for line in service.metrics().splitlines() if line.startswith(wanted))


BAD: tuple[tuple[bytes, str], ...] = (
    (b"", "empty"),
    (b"\xc3\x28 " + CANARY.encode(), "not-utf8"),
    (b'{"id": "x", "text": "' + CANARY.encode(), "json-invalid"),
    (b'{"id": "x", "name": "' + CANARY.encode() + b'"}', "no-text"),
    (b'{"id": "x", "text": ["' + CANARY.encode() + b'"]}', "schema-invalid"),
    (b'{"a":' * 100_000, "json-invalid"),
    (b'{"id": "x", "text": "' + b"a" * 20_000_000 + b'"}', "too-large"),
)


def test_bad_messages_are_dead_letters_and_their_neighbours_unharmed(service: Service) -> None:
    messages: list[tuple[bytes | None, bytes | None]] = [(b"p", note("word", "x" * 1_000_000))]
    for number, (value, _) in enumerate(BAD):
        messages += [(b"p", value), (b"p", note(f"good-{number}", f"No fever on day {number}."))]
    service.answer(messages)
    reasons = service.reader.seen.reasons
    assert sorted(reasons.values()) == sorted(reason for _, reason in BAD)
    for place, reason in reasons.items():
        assert (service.values[place] == [None]) == (reason == "too-large")
    for number in range(len(BAD)):
        assert service.record(f"good-{number}")["entities"][0]["text"] == "fever"
    assert service.record("word")["document"]["characters"] == 1_000_000
    assert CANARY not in service.node.log.read_text()
    assert CANARY not in service.metrics()


def test_a_tombstone_passes_through(service: Service) -> None:
    service.answer([(b"gone", None)])
    assert service.values["tombstone"] == [None]
