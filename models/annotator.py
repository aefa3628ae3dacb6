"""The whole way of a note without Kafka or Redis: for notebooks, scripts and tests.

with Annotator.load() as annotator:
    record = annotator.annotate("Denies chest pain. Takes aspirin 81 mg daily.")
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from models import calibration
from models.answers import Answers, PassageFault
from models.assemble import assemble
from models.checkpoint import Checkpoint, open_checkpoint
from models.engine import Engine
from models.errors import EngineError
from models.finish import LINKS, Finish, switched
from models.passages import split
from models.precision import Precision, Wanted
from models.reader import Reader, Tokens
from models.sections import find_sections
from models.types import Annotation, Findings, Note, Passage, Section, Timings

Prepared = tuple[Note, list[Section], list[Passage], list[Tokens]]


class Annotator:
    """Reads notes with one checkpoint, in this process. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "auto",
        precision: Precision = "fp32",
        finish: Finish | None = None,
    ) -> None:
        """`finish`: for this checkpoint; without it, with the terminologies and thresholds that ship."""
        self._finish = finish or Finish.of(checkpoint)
        self._pipeline = self._finish.identity(checkpoint.in_precision(precision).pipeline)
        self._reader = Reader(checkpoint)
        self._engine = Engine(checkpoint, device, precision=precision)

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | None = None,
        device: str = "auto",
        precision: Wanted = "fp32",
        heads: Sequence[str] | None = None,
    ) -> Self:
        """From a folder or a hub name; without one, the checkpoint that ships.

        `precision` "auto": what a short measurement finds fastest on this device. `heads`: only these; None:
        all but embeddings. Raises `CheckpointError`.
        """
        opened = switched(open_checkpoint(checkpoint), heads)
        finish = Finish.of(opened, links=heads is None or LINKS in heads)
        return cls(opened, device, calibration.choose(opened, device, precision).prepare(), finish)

    def annotate(self, note: Note | str) -> Annotation:
        """The record of one note; a bare text gets an id made from its content.

        Raises `EngineError` where the note cannot be read: no memory for it, or not a number from the model.
        """
        (answer,) = self.annotate_many([note])
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def annotate_many(self, notes: Iterable[Note | str]) -> list[Annotation | EngineError]:
        """Records in the order of the notes, read together; an error for one that cannot be read."""
        prepared = [self._prepare(note if isinstance(note, Note) else _note(note)) for note in notes]
        futures = [self._engine.submit([own.passage for own in tokens]) for *_, tokens in prepared]
        return [self._record(own, future.result()) for own, future in zip(prepared, futures, strict=True)]

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, note: Note) -> Prepared:
        sections = find_sections(note.text)
        passages = split(note.text, sections)
        return note, sections, passages, self._reader.tokenise([passage.text for passage in passages])

    def _record(self, prepared: Prepared, result: Answers) -> Annotation | EngineError:
        note, sections, passages, tokens = prepared
        found: list[Findings] = []
        for findings in self._reader.findings([passage.text for passage in passages], tokens, result):
            if isinstance(findings, PassageFault):
                return EngineError(f"the note cannot be read: {findings.reason}")
            found.append(findings)
        timings = Timings(
            queue_ms=round(result.queue_ms, 3),
            inference_ms=round(result.inference_ms, 3),
            cached_passages=0,
            passages=len(passages),
        )
        return assemble(note, sections, passages, found, self._pipeline, timings, finish=self._finish)


def _note(text: str) -> Note:
    return Note(id=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16], text=text)
