"""The engine alone on whole notes, each asked for as a worker asks: what a stream is compared with."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from models.answers import Answers
from models.checkpoint import open_checkpoint
from models.engine import Engine
from models.passages import split
from models.reader import Reader
from models.requests import Passage
from models.sections import find_sections
from models.windows import cut

if TYPE_CHECKING:
    from models.bench.child import Work

PATIENCE_S = 300.0


class Alone:
    """Options: `precision`. Notes are cut and tokenised before the clock starts: the workers' part."""

    def missing(self, cache: str) -> str | None:
        return None

    def start(self, work: Work) -> None:
        self._checkpoint = open_checkpoint(work.checkpoint)
        self._reader = Reader(self._checkpoint)
        self._engine = Engine(self._checkpoint, work.device, precision=work.options["precision"])

    def read(self, first: int, count: int) -> float:
        raise NotImplementedError("it reads notes")

    def notes(self, texts: list[str]) -> dict[str, Any]:
        """Seconds from the first note asked for to the last answered, and the tokens of each window."""
        asked = [self._passages(text) for text in texts]
        begun = time.perf_counter()
        futures: list[Future[Answers]] = [self._engine.submit(passages) for passages in asked]
        for future in futures:
            future.result(PATIENCE_S)
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "windows": [w for passages in asked for w in self._windows(passages)]}

    def stop(self) -> None:
        self._engine.close()

    def _passages(self, text: str) -> list[Passage]:
        different = dict.fromkeys(passage.text for passage in split(text, find_sections(text)))
        return [one.passage for one in self._reader.tokenise(list(different))]

    def _windows(self, passages: list[Passage]) -> list[int]:
        limit, overlap = self._checkpoint.window - 2, self._checkpoint.overlap
        return [w.stop - w.start + 2 for ids, _ in passages for w in cut(len(ids), limit, overlap)]


PEER = Alone
