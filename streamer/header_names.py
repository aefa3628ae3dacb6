"""Header names that are not UTF-8 are read as Kafka's own client reads them, with U+FFFD for what is no text.

Brokers take any bytes for a header's name; aiokafka raises UnicodeDecodeError on them, and one such record
would stand in the way of all that follow it. Batches that it can read are still read by its compiled reader.
This rests on private parts of aiokafka; tests/test_header_names.py and tests/integration hold the promise.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import Any, SupportsIndex

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

LENGTH_AND_MAGIC = struct.Struct(">8xi4xb")
"""Where these stand in a batch of any format, from its first byte on."""
BEFORE_LENGTH_COUNTS = 12
WITH_HEADERS = 2
"""The record format, "magic", since which records have headers."""


def read_any() -> None:
    """From now on the consumers of this process read records whatever their header names are."""
    fetcher.MemoryRecords = Fetched


class Fetched:
    """The batches of one fetched partition: aiokafka's MemoryRecords, where each knows its own bytes."""

    def __init__(self, data: Any) -> None:
        self._records = MemoryRecords(data)
        self._data = memoryview(data or b"")
        self._at = 0

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        if batch is None:
            return None
        start = self._at
        length, magic = LENGTH_AND_MAGIC.unpack_from(self._data, start)
        self._at = start + BEFORE_LENGTH_COUNTS + length
        return batch if magic < WITH_HEADERS else Batch(batch, self._data[start : self._at])


class Batch:
    """A batch of aiokafka's that is read again, more slowly, from a header name on that it cannot read."""

    def __init__(self, compiled: Any, data: memoryview) -> None:
        self._compiled, self._data = compiled, data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def __next__(self) -> Any:
        return next(self._compiled)

    def __iter__(self) -> Iterator[Any]:
        count = 0
        try:
            for record in self._compiled:
                yield record
                count += 1
        except UnicodeDecodeError:
            yield from itertools.islice(_leniently(self._data), count, None)


class _Lenient(bytearray):
    """Bytes of which every part decodes."""

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        part = super().__getitem__(index)
        return _Lenient(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, "replace")


def _leniently(data: memoryview) -> Iterator[Any]:
    """The records of a batch by aiokafka's reader in plain Python, its buffer exchanged."""
    batch = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    batch._buffer = _Lenient(batch._buffer)
    return iter(batch)
