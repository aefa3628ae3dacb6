"""What the heads cost beside the trunk: the same batches, with one head more each time, interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from models.checkpoint import Checkpoint
from models.forward import Forward
from models.passages import split
from models.precision import Precision
from models.reader import Reader
from models.reading import Reading
from models.requests import Passage
from models.sections import find_sections

ALONE = "the trunk alone"
TOKENS = 1024
"""Of a batch."""


@dataclass(frozen=True)
class Cost:
    """`name`: the head that was added last. `milliseconds`: median of a batch; `ratio`: median of its time to
    the trunk's, on the same batch right before."""

    name: str
    heads: int
    milliseconds: float
    ratio: float


def costs(
    checkpoint: Checkpoint,
    texts: Sequence[str],
    device: str,
    precision: Precision = "fp32",
    rounds: int = 5,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Cost]:
    """Of the trunk alone, then with the heads of the checkpoint, one more a line; vectors of passages, which
    are off by default, come last. `texts`: notes. Reading goes as far as the engine's answers."""
    batches = list(_batches(checkpoint, texts))
    names = [str(head["name"]) for head in sorted(checkpoint.heads, key=lambda h: h["kind"] == "embedding")]
    variants = [
        _Variant(checkpoint.with_heads(names[:count]), device, precision) for count in range(len(names) + 1)
    ]
    seen: list[list[tuple[float, float]]] = [[] for _ in variants]
    for number in range(rounds + 1):
        for at, batch in enumerate(batches):
            for variant, times in zip(variants, seen, strict=True):
                base, own = variants[0].seconds(batch), variant.seconds(batch)
                if number:  # the first round warms up
                    times.append((own, own / base))
            on_progress(number * len(batches) + at + 1, (rounds + 1) * len(batches))
    return [
        Cost(name, count, round(1e3 * median(s for s, _ in own), 3), round(median(r for _, r in own), 3))
        for count, (name, own) in enumerate(zip([ALONE, *names], seen, strict=True))
    ]


class _Variant:
    """A checkpoint with some of its heads."""

    def __init__(self, checkpoint: Checkpoint, device: str, precision: Precision) -> None:
        self._forward = Forward(checkpoint, device, precision)
        self._reading = Reading(self._forward.heads, checkpoint.word_start, self._forward.device)
        self._heads = bool(checkpoint.heads)

    def seconds(self, batch: Sequence[Passage]) -> float:
        began = time.perf_counter()
        projected = self._forward(batch)
        if self._heads:
            self._reading.batch(projected)
        if self._forward.device.type == "cuda":
            torch.cuda.synchronize(self._forward.device)
        return time.perf_counter() - began


def _batches(checkpoint: Checkpoint, texts: Sequence[str]) -> Iterator[list[Passage]]:
    """Passages in their order, about `TOKENS` tokens together; those of several windows are left out."""
    parts = [part.text for text in texts for part in split(text, find_sections(text))]
    read = Reader(checkpoint).tokenise(parts)
    batch: list[Passage] = []
    size = 0
    for own in (one.passage for one in read):
        if len(own[0]) > checkpoint.window - 2:
            continue
        if batch and size + len(own[0]) > TOKENS:
            yield batch
            batch, size = [], 0
        batch.append(own)
        size += len(own[0]) + 2
    if batch:
        yield batch
