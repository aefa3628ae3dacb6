"""A NOTE'S WAY: one coroutine per note, from the bytes that came in to the record that goes out.

    decode → split into passages → cache.get → engine.read → cache.put → assemble → an outgoing record

A fault of the note becomes a dead letter here. Anything else is raised: the caller must not commit past it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import msgspec

from models.assemble import PLAIN, assemble
from models.finish import Finish
from models.passages import split
from models.reader import PassageFault
from models.sections import find_sections
from models.types import LANES, Annotation, Findings, Lane, Note, Passage, Pipeline, Section, Timings
from streamer import formats, metrics, topics
from streamer.errors import NoteError
from streamer.topics import Incoming, Outgoing

Result = TypeVar("Result")
Explain = Callable[[Note, Annotation, bytes], Awaitable[Annotation]]
"""Adds why the record says what it says, by a method; in the service `models.explaining.asking.Asking`'s."""
HEADER_BYTES = 256_000
OFF_LOOP_ABOVE = 20_000
"""Bytes above which a note is split and assembled in a thread, so that it delays no other note."""


class Reading(Protocol):
    """What the engine answers for some passages, in their order."""

    @property
    def findings(self) -> Sequence[Findings | PassageFault]: ...
    @property
    def queue_ms(self) -> float: ...
    @property
    def inference_ms(self) -> float: ...


class Reads(Protocol):
    """The encoder, wherever it lives: `models.client.EngineClient` in the service."""

    async def read(self, passages: Sequence[Passage], lane: Lane = "routine") -> Reading: ...


class Remembers(Protocol):
    """What was read before: `streamer.cache.Cache` in the service. Never raises; a fault is a miss."""

    async def get_many(self, texts: Sequence[str]) -> list[Findings | None]: ...
    async def put_many(self, texts: Sequence[str], findings: Sequence[Findings]) -> None: ...


@dataclass(frozen=True)
class Destinations:
    """Topics to publish to, and the largest note that is read (bytes of its value)."""

    output_topic: str
    dead_letter_topic: str
    max_note_bytes: int
    embedding_topic: str | None = None
    """Where vectors go; None: into the records."""


class NotePipeline:
    """Reads notes with one checkpoint; holds no note between calls, so calls may overlap freely."""

    def __init__(
        self,
        engine: Reads,
        cache: Remembers,
        identity: Pipeline,
        to: Destinations,
        finish: Finish = PLAIN,
        explain: Explain | None = None,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._identity = identity
        self._to = to
        self._finish = finish
        self._explain = explain

    async def annotate(self, incoming: Incoming) -> Outgoing:
        """The one record that answers `incoming`: an annotation, a dead letter or a tombstone.

        Raises only what is no fault of the note; then nothing may be committed past it.
        """
        if incoming.value is None and incoming.key is not None:
            return topics.tombstone(incoming, self._to.output_topic)
        try:
            return await self._annotate(incoming)
        except NoteError as error:
            return topics.dead_letter(incoming, self._to.dead_letter_topic, error)

    async def _annotate(self, incoming: Incoming) -> Outgoing:
        with metrics.stage("decode"):
            note = self._decode(incoming)
        with metrics.stage("split"):
            sections, passages = await _off_loop(note, _split, note)
        findings, timings = await self._read(passages, _lane(incoming))
        with metrics.stage("assemble"):
            record = await _off_loop(
                note, _assemble, note, sections, passages, findings, self._identity, timings, self._finish
            )
            outgoing = await _off_loop(note, _encoded, incoming, record, self._to)
        if self._explain and (method := incoming.header(topics.EXPLAIN_HEADER)) is not None:
            record = await self._explain(note, record, method)
            outgoing = await _off_loop(note, _encoded, incoming, record, self._to)
        metrics.entities(record.entities)
        return outgoing

    def _decode(self, incoming: Incoming) -> Note:
        value_bytes, other_bytes = topics.size(incoming)
        if value_bytes > self._to.max_note_bytes or other_bytes > HEADER_BYTES:
            raise NoteError("too-large")
        content_type = incoming.header("content-type")
        return formats.decode(
            incoming.value or b"",
            None if content_type is None else content_type.decode("latin-1"),
            incoming.place,
        )

    async def _read(self, passages: Sequence[Passage], lane: Lane) -> tuple[list[Findings], Timings]:
        """Findings of every passage, each different text read at most once."""
        unique = {passage.text: passage for passage in passages}
        with metrics.stage("cache"):
            cached = await self._cache.get_many(list(unique))
        known = {text: found for text, found in zip(unique, cached, strict=True) if found is not None}
        missing = [passage for text, passage in unique.items() if text not in known]
        queue_ms = inference_ms = 0.0
        if missing:
            with metrics.stage("engine"):
                reading = await self._engine.read(missing, lane)
            read = [_sound(answer) for answer in reading.findings]
            known.update((passage.text, found) for passage, found in zip(missing, read, strict=True))
            queue_ms, inference_ms = reading.queue_ms, reading.inference_ms
            await self._cache.put_many([passage.text for passage in missing], read)
        fresh = {passage.text for passage in missing}
        timings = Timings(
            queue_ms=round(queue_ms, 3),
            inference_ms=round(inference_ms, 3),
            cached_passages=sum(passage.text not in fresh for passage in passages),
            passages=len(passages),
        )
        return [known[passage.text] for passage in passages], timings


def _sound(answer: Findings | PassageFault) -> Findings:
    if isinstance(answer, PassageFault):
        raise NoteError(answer.reason, stage="engine")
    return answer


def _lane(incoming: Incoming) -> Lane:
    asked = (incoming.header(topics.LANE_HEADER) or b"").decode("latin-1")
    return next((lane for lane in LANES if lane == asked), "routine")


def _split(note: Note) -> tuple[list[Section], list[Passage]]:
    sections = find_sections(note.text)
    return sections, split(note.text, sections)


def _assemble(
    note: Note,
    sections: Sequence[Section],
    passages: Sequence[Passage],
    findings: Sequence[Findings],
    identity: Pipeline,
    timings: Timings,
    finish: Finish,
) -> Annotation:
    return assemble(note, sections, passages, findings, identity, timings, finish=finish)


def _encoded(incoming: Incoming, record: Annotation, to: Destinations) -> Outgoing:
    """The record, and its vectors beside it where they have a topic of their own."""
    if to.embedding_topic is None or not record.embeddings:
        return topics.annotation(incoming, to.output_topic, msgspec.json.encode(record), record.id)
    vectors = {"id": record.id, "document": record.document.id, "embeddings": record.embeddings}
    beside = topics.annotation(
        incoming, to.embedding_topic, msgspec.json.encode(vectors), record.id, topics.CE_EMBEDDING
    )
    lean = msgspec.json.encode(msgspec.structs.replace(record, embeddings=()))
    return replace(topics.annotation(incoming, to.output_topic, lean, record.id), beside=beside)


async def _off_loop(note: Note, work: Callable[..., Result], *args: Any) -> Result:
    if len(note.text) < OFF_LOOP_ABOVE:
        return work(*args)
    return await asyncio.to_thread(work, *args)
