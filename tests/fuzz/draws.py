"""Decisions drawn from an input of the fuzzer, so that the same bytes always mean the same case.

Numbers come from its end and content from its front: a byte more in a text then leaves the decisions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Draws:
    """Bytes that are used up; all numbers are 0 when there are none left."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def number(self, most: int) -> int:
        """0 … most, from one byte, or from two where one does not reach that far."""
        size = 1 if most < 256 else 2
        drawn, self._data = self._data[-size:], self._data[:-size]
        return int.from_bytes(drawn, "big") % (most + 1)

    def one(self, items: Sequence[Item]) -> Item:
        return items[self.number(len(items) - 1)]

    def share(self) -> float:
        """0 … 1."""
        return self.number(255) / 255

    def content(self, most: int = 1 << 16) -> bytes:
        drawn, self._data = self._data[:most], self._data[most:]
        return drawn

    def split(self) -> Draws:
        """Decisions of their own, at most a third of what is left; then the content is here alone."""
        size = min(self.number(255), len(self._data) // 3)
        kept = len(self._data) - size
        drawn, self._data = self._data[kept:], self._data[:kept]
        return Draws(drawn)
