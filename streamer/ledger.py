"""What was sent against what came back: every note accounted for, once."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass, field

import msgspec


class _Timings(msgspec.Struct, rename="camel"):
    cached_passages: int = 0
    passages: int = 0


class _Document(msgspec.Struct):
    id: str


class _Record(msgspec.Struct):
    document: _Document
    timings: _Timings


@dataclass(frozen=True)
class Report:
    """The figures of a run; `latency_ms` from a note's arrival on its topic to its record's arrival here."""

    produced: int
    published: int
    dead_lettered: int
    duplicates: int
    seconds: float
    notes_per_second: float
    tokens_per_second: float
    latency_ms: dict[str, float]
    cache: dict[str, int]
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return self.produced == self.published + self.dead_lettered and self.duplicates == 0

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class Ledger:
    """Counts from two threads: one sends, one reads. Ids are compared, never shown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.produced = 0
        self._published: set[str] = set()
        self._dead: set[str] = set()
        self.duplicates = 0
        self.reasons: Counter[str] = Counter()
        self.latencies_ms: list[float] = []
        self.cached_passages = 0
        self.passages = 0

    def sent(self) -> None:
        with self._lock:
            self.produced += 1

    def published(self, value: bytes, latency_ms: float) -> None:
        """Enter an annotation record as it was read from the output topic."""
        record = msgspec.json.decode(value, type=_Record)
        with self._lock:
            if record.document.id in self._published:
                self.duplicates += 1
                return
            self._published.add(record.document.id)
            self.latencies_ms.append(max(0.0, latency_ms))
            self.cached_passages += record.timings.cached_passages
            self.passages += record.timings.passages

    def dead_lettered(self, place: str, reason: str) -> None:
        """Enter a dead letter; `place` is the topic, partition and offset it came from."""
        with self._lock:
            if place in self._dead:
                self.duplicates += 1
                return
            self._dead.add(place)
            self.reasons[reason] += 1

    @property
    def answered(self) -> int:
        return len(self._published) + len(self._dead)

    @property
    def dead(self) -> int:
        return len(self._dead)

    def report(self, seconds: float, tokens: float) -> Report:
        """The figures of a run that took `seconds` and in which the engine read `tokens`."""
        with self._lock:
            return Report(
                produced=self.produced,
                published=len(self._published),
                dead_lettered=len(self._dead),
                duplicates=self.duplicates,
                seconds=round(seconds, 3),
                notes_per_second=round(self.answered / seconds, 2) if seconds else 0.0,
                tokens_per_second=round(tokens / seconds, 1) if seconds else 0.0,
                latency_ms={
                    "p50": quantile(self.latencies_ms, 0.50),
                    "p99": quantile(self.latencies_ms, 0.99),
                },
                cache={"hits": self.cached_passages, "misses": self.passages - self.cached_passages},
                reasons=dict(sorted(self.reasons.items())),
            )


def quantile(values: list[float], share: float) -> float:
    """The nearest-rank quantile, one decimal; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
