"""Targets: what Kafka, Redis and the engine's socket can bring beside a note's text."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from io import StringIO
from typing import Any, cast

import numpy as np
import redis
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.console import Console

from models import wire
from models.answers import Answers
from models.types import Findings
from streamer import dead_letter_view, dead_letters
from streamer.cache import Cache
from streamer.errors import REASONS, SettingError
from streamer.pipeline import Destinations, NotePipeline
from streamer.sealing import NONCE_BYTES
from streamer.topics import Headers, Incoming
from tests.cache_kit import SECRET, Recorder
from tests.fakes import PIPELINE, BadName, FakeCache, FakeEngine
from tests.fuzz.draws import Draws
from tests.test_header_names import batch
from tests.test_header_names import read as read_batches

NAMES = (
    "content-type", "Content-Type", "streamer-lane", "traceparent", "ce_id", "streamer-place",
    "streamer-attempts", "streamer-reason", "streamer-version", "__connect.errors.topic",
    "__connect.errors.partition", "__connect.errors.offset", "__connect.errors.stage",
)  # fmt: skip
TO = Destinations("out", "dead", 1 << 15)


def _headers(draws: Draws) -> Headers:
    drawn = tuple((_name(draws), _value(draws)) for _ in range(draws.number(15)))
    return cast(Headers, drawn)  # Kafka has headers without a value too


def _name(draws: Draws) -> str:
    return draws.one(NAMES) if draws.number(3) else BadName(draws.content(draws.number(12)))


def _value(draws: Draws) -> bytes | None:
    return draws.content(draws.number(24)) if draws.number(9) else None


def _incoming(draws: Draws) -> Incoming:
    moment = int.from_bytes(draws.content(8), "big", signed=True) if draws.number(1) else draws.number(65535)
    headers = _headers(draws)
    key = draws.content(draws.number(12)) if draws.number(3) else None
    value = draws.content() if draws.number(9) else None
    return Incoming("clinical-notes", 0, 7, moment, key, value, headers)


def records(data: bytes) -> None:
    """One answer to every record, of its key and its headers: an annotation, a dead letter or a tombstone."""
    incoming = _incoming(Draws(data))
    pipeline = NotePipeline(FakeEngine(), FakeCache(), PIPELINE, TO)
    outgoing = asyncio.run(pipeline.annotate(incoming))
    assert outgoing.key == incoming.key
    if outgoing.reason is None:
        assert outgoing.topic == TO.output_topic
        assert outgoing.value is None or json.loads(outgoing.value)["id"]
    else:
        assert (outgoing.topic, outgoing.partition) == (TO.dead_letter_topic, incoming.partition)
        assert outgoing.reason in REASONS
        assert outgoing.value == (None if outgoing.reason == "too-large" else incoming.value)
        letter = dead_letters.read(Incoming("dead", 0, 0, 5, outgoing.key, outgoing.value, outgoing.headers))
        assert letter is not None
        assert (letter.reason, str(letter.origin)) == (outgoing.reason, incoming.place)
        if not letter.by_reference:
            # what the producer said of earlier attempts counts on; all else comes back as it was sent
            kept = tuple(own for own in incoming.headers if own[0] != dead_letters.ATTEMPTS_HEADER)
            assert letter.producers == kept
    _check_batch(incoming)


def _check_batch(incoming: Incoming) -> None:
    """The same record as Kafka's bytes: read whatever its headers are called."""
    sent = batch([(max(incoming.timestamp, 0) % 2**41, incoming.key, incoming.value, list(incoming.headers))])
    ((own,),) = read_batches(sent)
    assert own[2:4] == (incoming.key, incoming.value)
    assert own[4] == [(str(name), value) for name, value in incoming.headers]


def letters(data: bytes) -> None:
    """Whatever lies on the dead-letter topic can be listed, shown and sent back, or is no dead letter."""
    draws = Draws(data)
    record = _incoming(draws)
    letter = dead_letters.read(record)
    dead_letter_view.when(record.timestamp)
    if letter is None:
        return
    listed = [dead_letter_view.listed(letter, sent_back=False)] * 2
    json.dumps(dead_letter_view.summary("dead", listed, 1))
    facts = dead_letter_view.shown(letter, sent_back=True, there=False)
    json.dumps(facts)
    console = Console(file=StringIO(), width=80)
    console.print(dead_letter_view.tables("dead", listed, 1), dead_letter_view.sheet(facts))
    said = dead_letter_view.text(letter, letter.value)
    assert all(character.isprintable() or character in "\n\t" for character in said)
    back = dead_letters.returned(letter)
    assert (back.key, back.value) == (record.key, record.value)
    assert back.topic == letter.origin.topic
    assert dead_letters.attempts(back.headers) == letter.attempts + 1
    assert dead_letters.Place.parse(str(letter.origin)) == letter.origin


def commands(data: bytes) -> None:
    """Places and times of the command line: read, or refused in one line."""
    text = Draws(data).content().decode("utf-8", "replace")
    now = datetime(2026, 1, 5, tzinfo=UTC)
    for read in (dead_letters.Place.parse, lambda said: dead_letters.moment("--since", said, now)):
        with suppress(SettingError):
            read(text)


# --- the cache -----------------------------------------------------------------------------------


class _Opened(Cache):
    """A cache whose server answers what it is told."""

    def opened(self, values: Any, texts: list[str]) -> list[Findings | None]:
        keys = [sealer.key(text) for sealer in self._sealers for text in texts]
        return self._opened(keys, len(texts), values)


def cached(data: bytes) -> None:
    """Whatever lies under a key: a counted miss, or findings that were sealed for it."""
    draws = Draws(data)
    recorder = Recorder()
    cache = _Opened("redis://localhost", [SECRET, SECRET[::-1]], "fingerprint", observer=recorder)
    texts = ["cough", "fever"]
    nonce = bytes(NONCE_BYTES)
    values: list[Any] = []
    for sealer in cache._sealers:
        for text in texts:
            key, content = sealer.key(text), draws.content(draws.number(600))
            cipher: AESGCM = sealer._cipher(key)
            forms = (None, content, nonce + cipher.encrypt(nonce, content, key), content.decode("latin-1"), 7)
            values.append(draws.one(forms))
    answer = draws.one((values, values[1:], None, b"x", 1))
    try:
        found = cache.opened(answer, texts)
    except redis.RedisError:
        assert answer is not values
        return
    assert len(found) == len(texts)
    assert all(own is None or isinstance(own, Findings) for own in found)
    wrong = sum(value is not None for value in values) - sum(own is not None for own in found)
    assert recorder.faults["value"] <= wrong
    assert all(own is not None for own in found) or wrong == 0 or recorder.faults["value"]


# --- the engine's socket -------------------------------------------------------------------------


@cache
def _said() -> list[bytes]:
    """A header of every kind of message."""
    messages = (
        wire.Hello(wire.VERSION, "f"), wire.Read(1, "stat"), wire.Explain(2, "ig"), wire.Cancel(3),
        wire.Ping(), wire.Welcome(wire.VERSION, "f", "i", "fp32", 9), wire.Answered(1, 13, (2, 3), 0.5, 0.5),
        wire.Explained(2), wire.Refused(0, "no"), wire.Pong("i", 9),
    )  # fmt: skip
    return [wire.encode(message) for message in messages]


def spoken(data: bytes) -> None:
    """Messages of both directions: what they hold fits together, or `Malformed`."""
    draws = Draws(data)
    header = draws.one(_said()) if draws.number(3) else draws.content(draws.number(4000))
    frames = [draws.content(draws.number(400)) for _ in range(draws.number(10))]
    with suppress(wire.Malformed):
        heard = wire.to_engine(header)
        if isinstance(heard, wire.Read):
            _check_passages(wire.unpack_passages(frames, 500, 8))
        elif isinstance(heard, wire.Explain):
            given, questions = wire.unpack_questions(frames, 500, 8)
            assert questions.shape[1] == 6
            _check_passages(given)
    with suppress(wire.Malformed):
        said = wire.to_worker(header)
        if isinstance(said, wire.Answered):
            _check_answers(wire.unpack_answers(said, frames))
        elif isinstance(said, wire.Explained):
            weighed = wire.unpack_weighed(frames)
            assert len(weighed.scores) == len(weighed.baselines)


def answers(data: bytes) -> None:
    """Arrays drawn so that most sizes fit: never accepted unless all of them do."""
    draws = Draws(data)
    passages, labels = draws.number(5), tuple(draws.number(3) for _ in range(draws.number(2)))
    axes = draws.one((0, 13, 1))
    status = np.array([draws.number(3) for _ in range(passages)], np.uint8)
    counts, pairs = (np.array([draws.number(3) for _ in range(passages)], "<i4") for _ in range(2))
    sizes = [counts.sum() * 12, counts.sum() * 4, counts.sum() * 4 * axes]
    sizes += [(status == 0).sum() * sum(labels) * 4]
    pair_sizes = [pairs.sum() * 12, pairs.sum() * 4]
    drawn = [draws.content(int(size)) for size in (*sizes, *pair_sizes)]
    whole = [d + bytes(int(s) - len(d)) for d, s in zip(drawn, (*sizes, *pair_sizes), strict=True)]
    frames = [status.tobytes(), counts.tobytes(), *whole[:4], pairs.tobytes(), *whole[4:]]
    if draws.number(1):
        at = draws.number(len(frames) - 1)
        frames[at] = draws.content(draws.number(64))
    header = wire.Answered(1, axes, labels, draws.share(), draws.share())
    with suppress(wire.Malformed):
        _check_answers(wire.unpack_answers(header, frames))


def _check_passages(given: list[tuple[Any, Any]]) -> None:
    for ids, masks in given:
        assert len(ids) == len(masks)
        assert all(0 <= number < 500 for number in ids.tolist())
        assert all(mask < 8 for mask in masks.tolist())


def _check_answers(unpacked: Answers) -> None:
    assert all(own.assertion.shape[0] == len(own.spans) == len(own.confidence) for own in unpacked.answers)
    assert sum(len(own.pairs) for own in unpacked.answers) <= len(unpacked.pairs)
    unpacked.arranged(np.arange(len(unpacked))[::-1])
