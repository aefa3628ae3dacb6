"""Stand-ins for the engine and the cache: they find planted words, and remember in a dictionary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.answers import PassageFault
from models.types import Findings, Lane, Mention, Passage, Pipeline, Span

PIPELINE = Pipeline("fake", "1", "0123456789abcdef")
WORD = re.compile("fever|pain|cough|emoji😀")


class BadName(str):
    """A header name that a producer sends as these bytes, be they text or not."""

    def __new__(cls, name: bytes) -> BadName:
        made = super().__new__(cls, name.decode(errors="replace"))
        made.name = name
        return made

    name: bytes

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.name


def found(text: str) -> Findings:
    """Every planted word of a passage as a mention."""
    return Findings(
        tuple(
            Mention(
                Span(*match.span()),
                "SIGN_OR_SYMPTOM",
                0.9,
                ("positive", "none", "subject", "current"),
                (0.9, 0.9, 0.9, 0.9),
            )
            for match in WORD.finditer(text)
        )
    )


@dataclass
class FakeReading:
    findings: Sequence[Findings | PassageFault]
    queue_ms: float = 1.0
    inference_ms: float = 2.0


@dataclass
class FakeEngine:
    """Reads like `found`; a passage that holds `poison` is a fault; `broken` raises."""

    read_texts: list[str] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    broken: Exception | None = None

    async def read(self, passages: Sequence[Passage], lane: Lane = "routine") -> FakeReading:
        if self.broken:
            raise self.broken
        self.lanes.append(lane)
        self.read_texts += [passage.text for passage in passages]
        return FakeReading(
            [PassageFault("model-non-finite") if "poison" in p.text else found(p.text) for p in passages]
        )


@dataclass
class FakeCache:
    """Remembers in memory; `deaf` hears nothing, as an absent Redis."""

    known: dict[str, Findings] = field(default_factory=dict)
    deaf: bool = False

    async def get_many(self, texts: Sequence[str]) -> list[Findings | None]:
        return [None if self.deaf else self.known.get(text) for text in texts]

    async def put_many(self, texts: Sequence[str], findings: Sequence[Findings]) -> None:
        self.known.update(zip(texts, findings, strict=True))
