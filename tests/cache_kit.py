"""What the cache's tests share: an observer that can be waited for, findings, and a node's use of a cache."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from models.types import Classified, Cue, Findings, Mention, Span
from streamer.cache import Cache, Fault

SECRET = "0123456789abcdef0123456789abcdef"
NAME, RECORD_NUMBER = "Zebulon Quackenbush", "MRN-88174620"
CANARIES = (NAME, RECORD_NUMBER)


class Recorder:
    """An observer that remembers, and that a test can wait for."""

    def __init__(self) -> None:
        self.hits = self.misses = 0
        self.faults: Counter[Fault] = Counter()
        self.is_open = False
        self.opened = self.closed = 0.0
        self._changed = threading.Condition()

    def found(self, hits: int, misses: int) -> None:
        with self._changed:
            self.hits += hits
            self.misses += misses
            self._changed.notify_all()

    def failed(self, kind: Fault) -> None:
        with self._changed:
            self.faults[kind] += 1
            self._changed.notify_all()

    def breaker(self, is_open: bool) -> None:
        with self._changed:
            self.is_open = is_open
            if is_open:
                self.opened = time.monotonic()
            else:
                self.closed = time.monotonic()
            self._changed.notify_all()

    async def until(self, what: Callable[[], bool], seconds: float = 20.0) -> None:
        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(what, seconds)

        assert await asyncio.to_thread(wait), "it did not come to pass"


def read(text: str) -> Findings:
    """What an encoder would find: a function of the text alone."""
    number = sum(text.encode("utf-8", "surrogatepass"))
    axes = ("negative", "none", "subject", "current")
    cue = (Cue("negation", Span(0, 1)),) if number % 2 else ()
    mention = Mention(Span(0, len(text)), "PROBLEM", number % 100 / 100, axes, (0.5, 1.0, 0.25, 0.75), cue)
    return Findings((mention,) * (number % 4), (Classified("note_type", (0.5, 0.25)),))


class Reader:
    """Uses a cache as a note's way does: whatever the cache does, the findings are those of the encoder."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.slowest = 0.0

    async def note(self, texts: Sequence[str]) -> list[Findings]:
        started = time.monotonic()
        known = await self._cache.get_many(texts)
        missing = [text for text, found in zip(texts, known, strict=True) if found is None]
        await self._cache.put_many(missing, [read(text) for text in missing])
        self.slowest = max(self.slowest, time.monotonic() - started)
        findings = [found or read(text) for text, found in zip(texts, known, strict=True)]
        assert findings == [read(text) for text in texts]
        return findings


def passages(note: int, count: int = 4) -> list[str]:
    return [f"{NAME}, {RECORD_NUMBER}: note {note}, passage {number}." for number in range(count)]
