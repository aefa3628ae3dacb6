"""The worker's way to explanations: it asks about its notes, an engine answers. Imports no torch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.errors import RequestRefused
from models.explaining.questions import Asked, Weighed, ask, tell
from models.explanation import IN_STREAM, Explanation, Method, shortened
from models.passages import split
from models.reader import Reader
from models.requests import Passage as Pieces
from models.sections import find_sections
from models.tokeniser import Tokens
from models.types import Annotation, Note, Passage, RecordWarning

MOST_TOKENS, MOST_WORK = 1024, 16_384
"""Of a note that is explained in the stream: its tokens, and those that all questions about it look at, which
is what integrated gradients cost."""
WORDS = 12
"""Of each explanation in a record: the strongest."""
UNKNOWN = RecordWarning(
    "explain-unknown-method",
    f"An explanation was asked for by a method that is not one of {', '.join(IN_STREAM)}.",
)
TOO_LARGE = RecordWarning(
    "explain-too-large",
    "The note is too long to be explained in the stream; streamer annotate --explain has no limit.",
)
NOT_EXPLAINED = RecordWarning(
    "explain-failed", "The engine could not explain this note; streamer annotate --explain tells why."
)


class Weighs(Protocol):
    """An engine that explains: `models.client.EngineClient` in the service.

    Takes passages and questions as `Asking` makes them. Raises `RequestRefused` for what it will never do.
    """

    async def weigh(
        self, passages: Sequence[Pieces], questions: NDArray[np.int32], method: Method
    ) -> Weighed: ...


@dataclass(frozen=True)
class Open:
    """What is asked about a note, and what is needed to tell the answers; `repr` shows no text."""

    asked: Asked
    passages: Sequence[Passage]
    tokens: Sequence[Tokens]

    @property
    def questions(self) -> NDArray[np.int32]:
        return self.asked.questions

    @property
    def pieces(self) -> list[Pieces]:
        """The passages as an encoder takes them."""
        return [own.passage for own in self.tokens]

    @property
    def too_large(self) -> bool:
        sizes = np.array([len(own) for own in self.tokens], np.int64)
        return int(sizes.sum()) > MOST_TOKENS or int(sizes[self.questions[:, 1]].sum()) > MOST_WORK


class Asking:
    """Turns records into questions and answers into explanations, with one checkpoint. Thread-safe."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._reader = Reader(checkpoint)
        self._word_start = checkpoint.word_start

    def ask(self, note: Note, annotation: Annotation, *, every_axis: bool = False) -> Open:
        """Of every entity, assertion and class of a note's record; see `questions.ask`."""
        passages = split(note.text, find_sections(note.text))
        tokens = self._reader.tokenise([passage.text for passage in passages])
        asked = ask(annotation, passages, tokens, self._checkpoint, every_axis=every_axis)
        return Open(asked, passages, tokens)

    def tell(self, asked: Open, weighed: Weighed, method: Method) -> tuple[Explanation, ...]:
        return tell(asked.asked, weighed, asked.passages, asked.tokens, self._word_start, method)

    async def explain(self, note: Note, annotation: Annotation, method: bytes, engine: Weighs) -> Annotation:
        """The record with what was asked for, or with a warning that says why it is not there.

        `method`: as a message asks for it. Whatever else the engine raises (it is away, it will not have us)
        is the caller's to deal with. A note is worked on in a thread, so that it delays no other.
        """
        known = next((own for own in IN_STREAM if own.encode() == method.strip().lower()), None)
        if known is None:
            return _warned(annotation, UNKNOWN)
        asked = await asyncio.to_thread(self.ask, note, annotation)
        if asked.too_large:
            return _warned(annotation, TOO_LARGE)
        if not len(asked.questions):
            return annotation
        try:
            weighed = await engine.weigh(asked.pieces, asked.questions, known)
        except RequestRefused:
            return _warned(annotation, NOT_EXPLAINED)
        found = tuple(shortened(own, WORDS) for own in self.tell(asked, weighed, known))
        return msgspec.structs.replace(annotation, explanations=found)


def _warned(annotation: Annotation, warning: RecordWarning) -> Annotation:
    return msgspec.structs.replace(annotation, warnings=(*annotation.warnings, warning))
