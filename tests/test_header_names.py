"""Header names of any bytes: a record is read, and so are its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from streamer import header_names
from streamer.header_names import Batch, Fetched
from tests.fakes import BadName

CODECS = {"none": 0, "gzip": 1}
Header = tuple[str, bytes | None]
Record = tuple[int, bytes | None, bytes | None, list[Header]]
NAMES = st.one_of(st.text(max_size=5), st.binary(max_size=5).map(BadName))
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 2**41),
        st.none() | st.binary(max_size=9),
        st.none() | st.binary(max_size=300),
        st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=9)), max_size=3),
    ),
    min_size=1,
    max_size=8,
)


def batch(records: Sequence[Record], codec: int = 0) -> bytes:
    """As a producer sends it: times, keys, values, headers."""
    builder = _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for offset, (time, key, value, headers) in enumerate(records):
        builder.append(offset, time, key, value, headers)
    return bytes(builder.build())


def read(data: bytes) -> list[list[tuple[Any, ...]]]:
    """What each batch holds: offset, time, key, value, headers."""
    fetched, batches = Fetched(data), []
    while fetched.has_next():
        one = fetched.next_batch()
        assert one.validate_crc()
        batches.append([(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in one])
    assert fetched.next_batch() is None
    return batches


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_name_that_is_no_text_is_replaced_and_its_neighbours_are_whole(codec: int) -> None:
    names: list[str] = ["plain", BadName(b"x-\xff\xfe"), "naïve", BadName(b"\x80"), "last"]
    sent: list[Record] = [(1000 + n, b"key", b"v" * 400, [(name, b"%d" % n)]) for n, name in enumerate(names)]
    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(batch(sent, codec)))
    readable = ["plain", "x-\ufffd\ufffd", "naïve", "\ufffd", "last"]
    wanted = [(n, 1000 + n, b"key", b"v" * 400, [(name, b"%d" % n)]) for n, name in enumerate(readable)]
    assert read(batch(sent, codec) * 2) == [wanted, wanted]


@given(RECORDS, st.sampled_from(sorted(CODECS.values())))
def test_any_records_are_read_as_they_were_sent(records: Any, codec: int) -> None:
    wanted = [
        (n, time, key, value, [(str(name), v) for name, v in headers])
        for n, (time, key, value, headers) in enumerate(records)
    ]
    assert read(batch(records, codec)) == [wanted]


def test_readable_batches_never_leave_the_compiled_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(header_names, "_leniently")
    assert len(read(batch([(1, b"k", b"v", [("naïve", b"1"), ("none", None)])] * 50))[0]) == 50


def test_batches_of_the_old_format_are_left_as_they_are() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1 << 20)
    builder.append(0, timestamp=5, key=b"k", value=b"v")
    fetched = Fetched(bytes(builder.build()) * 2)
    for _ in range(2):
        old = fetched.next_batch()
        assert not isinstance(old, Batch)
        assert [record.value for record in old] == [b"v"]


def test_a_batch_that_has_not_arrived_whole_waits() -> None:
    whole = batch([(1, b"k", b"v", [(BadName(b"\xff"), b"")])])
    assert len(read(whole + whole[:-1])) == 1


def test_a_damaged_batch_is_still_refused() -> None:
    damaged = bytearray(batch([(1, b"k", b"value", [(BadName(b"\xff"), b"")])]))
    damaged[-1] ^= 1
    assert not Fetched(bytes(damaged)).next_batch().validate_crc()


def test_the_consumers_read_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)
    header_names.read_any()
    assert fetcher.MemoryRecords is Fetched
