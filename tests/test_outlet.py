"""What is too large for its topic shrinks step by step, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from streamer import topics
from streamer.errors import NoteError
from streamer.outlet import Outlet, record_bytes
from streamer.release import Slot
from streamer.topics import Incoming, Outgoing

NOTE = Incoming("notes", 3, 7, -1, b"key", b"text", (("theirs", b"h"),))


class FakeProducer:
    """Takes records."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, int | None]] = []

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int | None, headers: Any
    ) -> Any:
        async def acknowledge() -> None:
            self.sent.append((topic, value, partition))

        return acknowledge()


def slot(value: bytes | None, topic: str = "annotations", partition: int | None = None) -> Slot:
    own = Slot(NOTE)
    own.outgoing = Outgoing(topic, b"key", value, (), partition)
    return own


async def send(outlet: Outlet, own: Slot, producer: FakeProducer) -> None:
    await (await outlet.send(producer, own))


async def test_a_record_over_the_limit_goes_out_as_a_dead_letter_of_the_same_partition() -> None:
    producer = FakeProducer()
    outlet = Outlet({"annotations": 1000, "dead": 5000}, "dead")
    await send(outlet, slot(b"x" * 900), producer)
    await send(outlet, slot(b"x" * 1001), producer)
    assert producer.sent == [("annotations", b"x" * 900, None), ("dead", b"text", 3)]


async def test_what_goes_beside_a_record_goes_with_it_and_is_left_out_with_it() -> None:
    producer, outlet = FakeProducer(), Outlet({"annotations": 1000, "vectors": 500, "dead": 5000}, "dead")
    for size in (400, 501):
        own = slot(b"x")
        assert own.outgoing is not None
        own.outgoing = replace(own.outgoing, beside=Outgoing("vectors", b"key", b"v" * size))
        await send(outlet, own, producer)
    assert producer.sent == [("annotations", b"x", None), ("vectors", b"v" * 400, None), ("dead", b"text", 3)]


async def test_a_dead_letter_over_the_limit_only_names_its_message() -> None:
    own = Slot(NOTE)
    own.outgoing = topics.dead_letter(NOTE, "dead", NoteError("json-invalid"))
    limit = record_bytes(own.outgoing) - 1
    producer = FakeProducer()
    await send(Outlet({"annotations": 1000, "dead": limit}, "dead"), own, producer)
    assert own.outgoing.key is own.outgoing.value is None
    assert own.outgoing.reason == "json-invalid"
    names = {name for name, _ in own.outgoing.headers}
    assert {"__connect.errors.offset", "streamer-reason"} <= names
    assert "theirs" not in names
    assert producer.sent == [("dead", b"", 3)]


def test_there_is_an_end_to_shrinking() -> None:
    outlet, own = Outlet({"annotations": 1, "dead": 1}, "dead"), slot(b"x")
    assert [outlet.shrink(own) for _ in range(3)] == [True, True, False]


async def test_a_record_with_neither_key_nor_value_is_sent_with_an_empty_value() -> None:
    own = slot(None)
    assert own.outgoing
    own.outgoing = Outgoing("annotations", None, None)
    producer = FakeProducer()
    await send(Outlet({"annotations": 1000}, "dead"), own, producer)
    assert producer.sent == [("annotations", b"", None)]


@given(
    key=st.none() | st.binary(max_size=300),
    value=st.none() | st.binary(max_size=300),
    headers=st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=200)), max_size=5),
)
def test_the_estimated_size_is_never_below_the_size_on_the_wire(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    estimated = record_bytes(Outgoing("annotations", key, value, tuple(headers)))
    assert estimated >= DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers) - 100
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1_000_000)
    empty = builder.size()
    builder.append(0, 0, key, value, headers)
    assert estimated >= builder.size() - empty
