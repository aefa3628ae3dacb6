"""A note's way with a fake engine and cache: records, dead letters, tombstones, lanes, what is read again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import EngineError
from models.types import Annotation, Explanation, Note, RecordWarning
from streamer.errors import NoteError, WorldError
from streamer.pipeline import HEADER_BYTES, Destinations, NotePipeline
from streamer.topics import Incoming, Outgoing
from tests.fakes import PIPELINE, FakeCache, FakeEngine, FakeReading

TO = Destinations("annotations", "dlt", max_note_bytes=100_000)
EXPLAINED = Explanation(
    kind="class", reference=None, task="note_type", label="x", method="ig", score=1.0, baseline=0.5,
    completeness_error=0.01, words=(),
)  # fmt: skip


def incoming(value: bytes | None, *headers: tuple[str, bytes], key: bytes | None = b"p1") -> Incoming:
    return Incoming("notes", 2, 17, 1_700_000_000_000, key, value, headers)


def note(text: str, **fields: Any) -> bytes:
    return json.dumps({"id": "n1", "text": text} | fields).encode()


async def annotate(
    record: Incoming, engine: FakeEngine | None = None, cache: FakeCache | None = None
) -> Outgoing:
    return await NotePipeline(engine or FakeEngine(), cache or FakeCache(), PIPELINE, TO).annotate(record)


def body(out: Outgoing) -> dict[str, Any]:
    assert out.reason is None
    assert out.value is not None
    record: dict[str, Any] = json.loads(out.value)
    return record


async def test_a_note_becomes_one_record_under_its_own_key() -> None:
    out = await annotate(incoming(note("HPI: No fever. Some pain.", footer={"a": [1]})))
    record = body(out)
    assert (out.topic, out.key) == ("annotations", b"p1")
    assert [entity["text"] for entity in record["entities"]] == ["fever", "pain"]
    assert record["document"]["footer"] == {"a": [1]}
    assert record["pipeline"]["fingerprint"] == PIPELINE.fingerprint
    assert dict(out.headers)["ce_id"] == record["id"].encode()


async def test_plain_text_is_named_by_its_place() -> None:
    record = body(await annotate(incoming(b"fever", ("content-type", b"text/plain"))))
    assert record["document"]["id"] == "notes/2/17"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b'{"id": "n1"}', "no-text"),
        (b'{"id": "n1", "text": 5}', "schema-invalid"),
        (b'{"id": "n1", "text": "a"', "json-invalid"),
        (b"\xff\xfe\xfa", "not-utf8"),
        (b" " * 100_001, "too-large"),
        (note("some poison here"), "model-non-finite"),
    ],
)
async def test_a_fault_of_the_note_is_a_dead_letter_with_its_reason(value: bytes, reason: str) -> None:
    out = await annotate(incoming(value))
    assert (out.topic, out.partition, out.key, out.reason) == ("dlt", 2, b"p1", reason)
    assert dict(out.headers)["streamer-reason"] == reason.encode()
    assert out.value == (None if reason == "too-large" else value)


async def test_too_many_header_bytes_are_too_large() -> None:
    out = await annotate(incoming(note("fever"), ("x", b"h" * HEADER_BYTES)))
    assert out.reason == "too-large"


async def test_a_tombstone_passes_through_for_its_key() -> None:
    out = await annotate(incoming(None))
    assert (out.topic, out.key, out.value, out.reason) == ("annotations", b"p1", None, None)


async def test_a_null_without_a_key_is_empty() -> None:
    assert (await annotate(incoming(None, key=None))).reason == "empty"


async def test_what_is_no_fault_of_the_note_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await annotate(incoming(note("fever")), FakeEngine(broken=ZeroDivisionError()))


async def test_a_passage_is_read_once_and_remembered() -> None:
    engine, cache = FakeEngine(), FakeCache()
    text = "PLAN:\nfever\n\nfever\n\nEXAM:\ncough\n"
    first = body(await annotate(incoming(note(text)), engine, cache))
    assert len(engine.read_texts) == len(set(engine.read_texts))
    again = body(await annotate(incoming(note(text)), engine, cache))
    assert again["timings"]["cachedPassages"] == again["timings"]["passages"] > 0
    assert first["entities"] == again["entities"]
    assert len(engine.lanes) == 1


async def test_a_deaf_cache_changes_nothing_but_the_timings() -> None:
    cached, deaf = FakeCache(), FakeCache(deaf=True)
    await annotate(incoming(note("pain. cough.")), cache=cached)
    one = body(await annotate(incoming(note("pain. cough.")), cache=cached))
    two = body(await annotate(incoming(note("pain. cough.")), cache=deaf))
    del one["timings"], two["timings"]
    assert one == two


@pytest.mark.parametrize(
    ("header", "lane"), [(b"stat", "stat"), (b"backfill", "backfill"), (b"urgent!", "routine")]
)
async def test_the_lane_comes_from_a_header(header: bytes, lane: str) -> None:
    engine = FakeEngine()
    await annotate(incoming(note("pain"), ("streamer-lane", header)), engine)
    assert engine.lanes == [lane]


async def test_a_faulty_passage_is_not_remembered() -> None:
    cache = FakeCache()
    await annotate(incoming(note("poison")), cache=cache)
    assert not cache.known


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
async def test_any_bytes_have_exactly_one_answer(value: bytes) -> None:
    out = await annotate(incoming(value))
    assert (out.reason is None) == (out.topic == "annotations")


@given(st.text(max_size=300))
@settings(deadline=None, max_examples=300)
async def test_every_entity_is_the_text_under_its_span(text: str) -> None:
    text = f"fever {text} cough emoji😀 é pain"
    try:
        value = note(text)
        out = await annotate(incoming(value))
    except NoteError:
        pytest.fail("a fault of a note must not be raised")
    for entity in body(out)["entities"]:
        assert text[entity["span"]["start"] : entity["span"]["end"]] == entity["text"]


async def test_a_header_has_the_record_explained_and_without_it_the_array_is_empty() -> None:
    asked: list[bytes] = []

    async def explain(note: Note, record: Annotation, method: bytes) -> Annotation:
        assert note.text == "No fever."
        asked.append(method)
        warnings = (RecordWarning("w", "as it was asked for"),)
        return msgspec.structs.replace(record, explanations=(EXPLAINED,), warnings=warnings)

    own = NotePipeline(FakeEngine(), FakeCache(), PIPELINE, TO, explain=explain)
    plain = body(await own.annotate(incoming(note("No fever."))))
    assert (plain["explanations"], plain["warnings"], asked) == ([], [], [])
    out = await own.annotate(incoming(note("No fever."), ("streamer-explain", b"ig")))
    record = body(out)
    assert asked == [b"ig"]
    assert record["explanations"] == json.loads(msgspec.json.encode((EXPLAINED,)))
    assert [warning["code"] for warning in record["warnings"]] == ["w"]
    assert record["id"] == plain["id"]
    assert ("streamer-explain", b"ig") in out.headers


@pytest.mark.parametrize("fault", [EngineError("closed"), WorldError("gone"), MemoryError(), KeyError("x")])
async def test_a_fault_of_the_world_or_of_ours_is_raised_and_never_a_dead_letter(fault: Exception) -> None:
    class Unwell(FakeCache):
        async def get_many(self, texts: Any) -> Any:
            raise fault

    for engine, cache in ((FakeEngine(broken=fault), FakeCache()), (FakeEngine(), Unwell())):
        with pytest.raises(type(fault)):
            await annotate(incoming(note("No fever.")), engine, cache)


async def test_what_is_no_fault_of_the_note_is_raised_while_explaining() -> None:
    async def explain(*_: Any) -> Annotation:
        raise EngineError("closed")

    own = NotePipeline(FakeEngine(), FakeCache(), PIPELINE, TO, explain=explain)
    with pytest.raises(EngineError):
        await own.annotate(incoming(note("No fever."), ("streamer-explain", b"ig")))


@pytest.mark.parametrize("topic", [None, "vectors"])
async def test_vectors_go_into_the_record_or_to_a_topic_of_their_own(topic: str | None) -> None:
    class Embedding(FakeEngine):
        async def read(self, passages: Any, lane: Any = "routine") -> Any:
            reading: Any = await super().read(passages, lane)
            vectors = [msgspec.structs.replace(own, embedding=(0.6, 0.8)) for own in reading.findings]
            return FakeReading(vectors)

    to = Destinations("annotations", "dlt", 100_000, topic)
    own = NotePipeline(Embedding(), FakeCache(), PIPELINE, to)
    out = await own.annotate(incoming(note("HPI: No fever.")))
    vectors = [{"section": None, "vector": [0.6, 0.8]}, {"section": "s1", "vector": [0.6, 0.8]}]
    if topic is None:
        assert out.beside is None
        assert body(out)["embeddings"] == vectors
        return
    assert body(out)["embeddings"] == []
    assert out.beside is not None
    assert (out.beside.topic, out.beside.key) == (topic, out.key)
    assert body(out.beside) == {"id": body(out)["id"], "document": "n1", "embeddings": vectors}
    assert dict(out.beside.headers)["ce_type"] == b"org.streamer.embedding.v1"
