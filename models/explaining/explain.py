"""All explanations of a note; or of what a worker asks about its passages, the encoder's half alone.

with Annotator.load() as annotator:
    record = annotator.annotate(note)
explanations = Explainer(open_checkpoint()).explain(note, record, "ig")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.explaining.asking import Asking
from models.explaining.gradients import Attributed, integrated
from models.explaining.perturbation import lime, shap
from models.explaining.questions import LABEL, Weighed
from models.explaining.rollout import rolled
from models.explaining.targets import Local, Targets
from models.explaining.trunk import Trunk, Window
from models.explanation import Explanation, Method
from models.forward import choose_device
from models.requests import Passage as Pieces
from models.types import Annotation, Note
from models.weights import load
from models.windows import Window as Cut
from models.windows import cut

Int = NDArray[np.int32]


class Explainer:
    """A checkpoint's encoder in fp32, with gradients. For one thread at a time.

    `between` is called before every batch on the device; what it raises ends the explaining.
    Raises `CheckpointError` if the checkpoint cannot be loaded.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str = "auto", between: Callable[[], None] = lambda: None
    ) -> None:
        encoder, heads = load(checkpoint, choose_device(device))
        self._checkpoint = checkpoint
        self.trunk = Trunk(checkpoint, encoder, Targets(checkpoint, heads), between)
        self.word_start = checkpoint.word_start
        self.asking = Asking(checkpoint)

    def weigh(
        self,
        passages: Sequence[Pieces],
        questions: Int,
        method: Method,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Weighed:
        """Answers to `questions` (see `Asked`) about passages, window by window.

        A span is looked at in the window that owns its first token. The score of a label is averaged over a
        passage's windows by the tokens that they own, as its confidence is.
        """
        sizes = np.array([len(passages[number][0]) for number in questions[:, 1]], np.int64)
        edges = np.append(0, np.cumsum(sizes))
        weights = np.zeros(edges[-1], np.float64)
        scores, baselines = np.zeros(len(questions)), np.zeros(len(questions))
        done = 0
        for passage, own in enumerate(passages):
            numbers = np.flatnonzero(questions[:, 1] == passage)
            for piece in self.windows(own, questions, numbers):
                found = self.found(piece.window, method)
                for row, (number, share) in enumerate(piece.shares):
                    scores[number] += share * found.scores[row]
                    baselines[number] += share * found.baselines[row]
                    start = edges[number] + piece.start
                    inside = found.weights[row, 1:-1]
                    weights[start : start + len(inside)] += share * inside
            done += len(numbers)
            on_progress(done, len(questions))
        return Weighed(scores, baselines, weights.astype(np.float32))

    def explain(
        self,
        note: Note,
        annotation: Annotation,
        method: Method = "ig",
        *,
        every_axis: bool = False,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Explanation, ...]:
        """Of every entity, assertion and class of a note's record; see `ask` for which axes."""
        asked = self.asking.ask(note, annotation, every_axis=every_axis)
        weighed = self.weigh(asked.pieces, asked.questions, method, on_progress)
        return self.asking.tell(asked, weighed, method)

    def windows(self, passage: Pieces, questions: Int, numbers: NDArray[np.int64]) -> list[Piece]:
        """Windows of a passage of which something is asked."""
        ids, features = passage
        limit, overlap = self._checkpoint.window - 2, self._checkpoint.overlap
        pieces = []
        for part in cut(len(ids), limit, overlap) if len(numbers) else []:
            shares: list[tuple[int, float]] = []
            asked: list[Local] = []
            for number in numbers:
                if local := _local(questions[number], part):
                    share = (part.own_stop - part.own_start) / len(ids) if local.kind == LABEL else 1.0
                    shares.append((int(number), share))
                    asked.append(local)
            if asked:
                own = [self._checkpoint.cls_id, *ids[part.start : part.stop], self._checkpoint.sep_id]
                masks = [0, *features[part.start : part.stop], 0]
                window = Window(np.array(own, np.int32), np.array(masks, np.uint8), asked)
                pieces.append(Piece(window, part.start, shares))
        return pieces

    def found(self, window: Window, method: Method) -> Attributed:
        """What a method says of every token of a window, question by question."""
        match method:
            case "ig":
                return integrated(self.trunk, window)
            case "rollout":
                return rolled(self.trunk, window)
            case "lime":
                return lime(self.trunk, window, self.word_start)
            case "shap":
                return shap(self.trunk, window, self.word_start)


class Piece(NamedTuple):
    """A window, the first token of its passage in it, and which questions it answers by what share."""

    window: Window
    start: int
    shares: list[tuple[int, float]]


def _local(question: Int, part: Cut) -> Local | None:
    """The question in a window's own rows; None if another window answers it."""
    kind, _, first, end, a, b = (int(number) for number in question)
    if kind == LABEL:
        return Local(kind, 0, 1, a, b)
    if not part.own_start <= first < part.own_stop:
        return None
    shift = 1 - part.start
    return Local(kind, first + shift, min(end, part.stop) + shift, a, b)
