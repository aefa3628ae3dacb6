"""The relations head on gold entities: what it is worth by itself, over a whole document at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.corpora.scheme import Labelled
from models.errors import CheckpointError
from models.evaluation.related import Candidate
from models.forward import Forward, choose_device
from models.heads import Int
from models.heads.relations import Relations, candidates
from models.precision import Precision
from models.reader import Reader
from models.requests import Passage
from models.windows import cut

FAR = 1 << 20
"""Every pair counts, however far apart its ends are."""


class HeadScorer:
    """See `RelationScorer`. A document longer than the encoder sees is read in windows that overlap by half:
    of a pair that several windows hold the surest answer counts, of one that none holds nothing is said.
    """

    threshold = 0.5

    def __init__(self, checkpoint: Checkpoint, device: str, precision: Precision) -> None:
        """Raises `CheckpointError` for a checkpoint without a head for relations."""
        self._forward = Forward(checkpoint, choose_device(device), precision)
        head = self._forward.heads.relations
        if head is None:
            raise CheckpointError(f"{checkpoint.name} has no head for relations")
        self._head = cast(Relations, head)
        self._reader = Reader(checkpoint)
        self._most = checkpoint.encoder.max_position_embeddings - 2

    def score(self, text: str, spans: Sequence[Labelled]) -> list[Candidate]:
        """See `RelationScorer.score`. Of what a span may be, the head's first kind is taken."""
        surest: dict[tuple[str, int, int], Candidate] = {}
        for own in self._windows(text, spans):
            key = own.category, own.source, own.target
            if key not in surest or surest[key].confidence < own.confidence:
                surest[key] = own
        return list(surest.values())

    def _windows(self, text: str, spans: Sequence[Labelled]) -> Iterator[Candidate]:
        (tokens,) = self._reader.tokenise([text])
        kinds = [
            next((n for n, kind in enumerate(self._head.kinds) if kind in own.allowed), -1) for own in spans
        ]
        first = np.searchsorted(tokens.ends, [own.start for own in spans], side="right")
        stop = np.maximum(first + 1, np.searchsorted(tokens.starts, [own.end for own in spans], side="left"))
        places = np.column_stack([first, stop]).astype(np.int32)
        for window in cut(len(tokens), self._most, self._most // 2):
            inside = (first >= window.start) & (stop <= window.stop) & (np.array(kinds, np.int64) >= 0)
            which = np.flatnonzero(inside)
            if len(which) > 1:
                ids, features = tokens.passage
                passage = ids[window.start : window.stop], features[window.start : window.stop]
                own = places[which] - window.start + 1
                yield from self._window(passage, own, np.array(kinds, np.int32)[which], which)

    @torch.inference_mode()
    def _window(self, passage: Passage, spans: Int, kinds: Int, which: NDArray[np.int64]) -> list[Candidate]:
        joins = np.any(self._head.joins, axis=0)
        pairs = candidates(
            spans, np.zeros(len(spans), np.int32), lambda i, j: joins[kinds[i], kinds[j]], FAR, len(spans)
        )
        if not len(pairs):
            return []
        hidden = self._forward([passage]).hidden.float()
        logits = self._head.judge(self._head.project(hidden), spans, kinds, pairs)
        probability = logits.double().sigmoid().cpu().numpy()
        fits = self._head.joins[:, kinds[pairs[:, 0]], kinds[pairs[:, 1]]].T
        ends = which[pairs].tolist()
        return [
            Candidate(
                self._head.categories[category], ends[row][0], ends[row][1], float(probability[row, category])
            )
            for row, category in np.argwhere(fits).tolist()
        ]
