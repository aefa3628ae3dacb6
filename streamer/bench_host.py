"""What a note costs its worker beside the engine: microseconds of one core, stage by stage.

Notes of about 200 tokens are cut from the bundled samples, and the engine reads them once. Then every stage
of a note's way is timed alone, round after round, each on notes that no round before has seen: what is
remembered of words must come from other notes, as in the service. The engine and all networks are left out.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import msgspec

from models import wire
from models.answers import Answers
from models.assemble import assemble
from models.checkpoint import Checkpoint
from models.engine import Engine
from models.passages import split
from models.reader import Reader, Tokens
from models.sections import find_sections
from models.types import Annotation, Findings, Note, Passage, Section, Timings
from streamer import formats, metrics, samples, topics
from streamer.sealing import Sealer
from streamer.topics import Incoming, Outgoing

TOKENS = 200
ROUNDS, NOTES = 7, 24
"""Rounds, and notes in each."""
BEFORE = 400
"""Notes that the reader has tokenised before the first round."""
TIMINGS = Timings(queue_ms=1.25, inference_ms=10.5, cached_passages=0, passages=5)
HEADERS = (("content-type", b"application/json"), ("source", b"bench"))


@dataclass(frozen=True)
class HostCost:
    """`microseconds` of one core per note, by stage: medians over the rounds. The rest: means per note."""

    microseconds: dict[str, float]
    tokens: float
    passages: float
    entities: float

    @property
    def total(self) -> float:
        return sum(self.microseconds.values())


def host_cost(checkpoint: Checkpoint, device: str = "auto", rounds: int = ROUNDS) -> HostCost:
    """Takes about half a minute on a CPU, nearly all of it the engine's."""
    reader = Reader(checkpoint)
    texts = list(_texts(reader))
    reader.tokenise(texts[-BEFORE:])
    step = (len(texts) - BEFORE) // (rounds * NOTES)
    incoming = [_incoming(number, text) for number, text in enumerate(texts[: step * rounds * NOTES : step])]
    frames = _answered(checkpoint, reader, device, incoming)
    way = _Way(checkpoint, reader)
    for start in range(0, len(incoming), NOTES):
        way.go(incoming[start : start + NOTES], frames[start : start + NOTES])
    records = way.records
    return HostCost(
        microseconds={stage: median(rounds) for stage, rounds in way.microseconds.items()},
        tokens=mean(way.tokens),
        passages=mean(way.passages),
        entities=mean(len(record.entities) for record in records),
    )


class _Way:
    """The stages of a note's way in a worker, each over all notes of a round."""

    def __init__(self, checkpoint: Checkpoint, reader: Reader) -> None:
        self.microseconds: dict[str, list[float]] = defaultdict(list)
        self.records: list[Annotation] = []
        self.tokens: list[int] = []
        self.passages: list[int] = []
        self._reader = reader
        self._pipeline = checkpoint.pipeline
        self._sealer = Sealer("a secret for measuring", checkpoint.fingerprint)

    def go(self, incoming: Sequence[Incoming], frames: Sequence[list[bytes]]) -> None:
        notes = self._time("decode", _decode, incoming)
        texts = [note.text for note in notes]
        sections = self._time("sections", find_sections, texts)
        passages = self._time("passages", split, texts, sections)
        keys = self._time("cache keys", self._keys, passages)
        tokens = self._time("tokenise", self._tokenise, passages)
        self._time("pack", _pack, tokens)
        answers = self._time("unpack", _unpack, frames)
        findings = self._time("findings", self._findings, passages, tokens, answers)
        self._time("seal", self._seal, keys, findings)
        records = self._time("assemble", self._assemble, notes, sections, passages, findings)
        encoded = self._time("encode", msgspec.json.encode, records)
        self._time("headers", _outgoing, incoming, encoded, records)
        self._time("metrics", _count, incoming, records)
        self.records += records
        self.passages += [len(own) for own in passages]
        self.tokens += [sum(len(own) for own in note) for note in tokens]

    def _time(self, stage: str, work: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        """`work` on every note; CPU time of all threads counts, so that none can hide."""
        begun = time.process_time_ns()
        done = [work(*row) for row in zip(*columns, strict=True)]
        self.microseconds[stage].append((time.process_time_ns() - begun) / 1000 / len(done))
        return done

    def _keys(self, passages: Sequence[Passage]) -> list[bytes]:
        return [self._sealer.key(passage.text) for passage in passages]

    def _tokenise(self, passages: Sequence[Passage]) -> list[Tokens]:
        return self._reader.tokenise([passage.text for passage in passages])

    def _findings(self, passages: Sequence[Passage], tokens: Sequence[Tokens], result: Answers) -> list[Any]:
        return self._reader.findings([passage.text for passage in passages], tokens, result)

    def _seal(self, keys: Sequence[bytes], findings: Sequence[Findings]) -> list[bytes]:
        return [self._sealer.seal(key, found) for key, found in zip(keys, findings, strict=True)]

    def _assemble(
        self,
        note: Note,
        sections: Sequence[Section],
        passages: Sequence[Passage],
        findings: Sequence[Findings],
    ) -> Annotation:
        return assemble(note, sections, passages, findings, self._pipeline, TIMINGS)


def _texts(reader: Reader) -> Iterator[str]:
    """Every bundled note in parts of `TOKENS` tokens."""
    notes = [note["text"] for note in samples.load()]
    for text, tokens in zip(notes, reader.tokenise(notes), strict=True):
        for first in range(0, len(tokens) - TOKENS + 1, TOKENS):
            yield text[tokens.starts[first] : tokens.ends[first + TOKENS - 1]]


def _incoming(number: int, text: str) -> Incoming:
    value = msgspec.json.encode({"id": f"note-{number}", "version": 1, "patientKey": "p", "text": text})
    return Incoming("clinical-notes", 0, number, 1_700_000_000_000 + number, b"p", value, HEADERS)


def _answered(
    checkpoint: Checkpoint, reader: Reader, device: str, incoming: Sequence[Incoming]
) -> list[list[bytes]]:
    """What the engine's answers to each note look like on the socket."""
    engine = Engine(checkpoint, device)
    try:
        futures = []
        for note in map(_decode, incoming):
            passages = split(note.text, find_sections(note.text))
            tokens = reader.tokenise([passage.text for passage in passages])
            futures.append(engine.submit([own.passage for own in tokens]))
        return [wire.pack_answers(number, future.result(300)) for number, future in enumerate(futures)]
    finally:
        engine.close()


def _decode(incoming: Incoming) -> Note:
    topics.size(incoming)
    header = incoming.header("content-type") or b""
    return formats.decode(incoming.value or b"", header.decode("latin-1"), incoming.place)


def _pack(tokens: Sequence[Tokens]) -> list[bytes]:
    header = wire.encode(wire.Read(1, "routine"))
    return [header, *wire.pack_passages([own.passage for own in tokens])]


def _unpack(frames: Sequence[bytes]) -> Answers:
    header = wire.to_worker(frames[0])
    assert isinstance(header, wire.Answered)
    return wire.unpack_answers(header, frames[1:])


def _outgoing(incoming: Incoming, encoded: bytes, record: Annotation) -> Outgoing:
    return topics.annotation(incoming, "clinical-annotations", encoded, record.id)


def _count(incoming: Incoming, record: Annotation) -> None:
    """What a note on its way counts: four stages and its entities."""
    for stage in ("decode", "split", "engine", "assemble"):
        with metrics.stage(stage):
            pass
    metrics.entities(record.entities)
    metrics.note_out(incoming.timestamp)
