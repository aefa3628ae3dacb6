"""Texts → windows with words hidden, and, where asked, in two parts of which the second follows or does not.

Whole-word masking (Devlin et al. 2019): of a share of the words all pieces are chosen; of the chosen pieces
80 % become [MASK], 10 % another piece, 10 % stay. `Blocks`: texts one after another, [SEP] between them, cut
into windows of one length, so that nothing is padded. `Pairs`: windows of whole sentences of one text in two
parts; half of the second parts come from another text (next-sentence prediction, the same paper).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.sentences import sentences

TEXTS_AT_ONCE = 256
NOT_ASKED = -100

Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Masked(NamedTuple):
    """`ids` [windows, length]; `wanted`: what was there where it is hidden, else −100.

    Of windows in two parts also `second` (1 in the second part), `real` (0: padding), both [windows, length],
    and `other` [windows]: 0 where the second part follows the first, 1 where it does not, −100 without one.
    """

    ids: Tensor
    wanted: Tensor
    second: Tensor | None = None
    real: Tensor | None = None
    other: Tensor | None = None


class Windows(Protocol):
    """What batches are drawn from. `tokens`: of the texts."""

    tokens: int

    def __len__(self) -> int: ...
    def rows(
        self, which: Ids, chance: np.random.Generator
    ) -> tuple[Ids, Ids | None, Flags | None, Ids | None]:
        """Of some windows: pieces with [CLS] and [SEP]; then `second`, `real`, `other` as in `Masked`."""
        ...


class Vocabulary:
    """What masking has to know of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.fast = tokenizer.backend_tokenizer
        self.fast.no_truncation()
        self.fast.no_padding()
        self.cls, self.sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.mask, self.pad = tokenizer.mask_token_id, tokenizer.pad_token_id
        pieces = tokenizer.get_vocab()
        self.size = max(pieces.values()) + 1
        self._continues = np.zeros(self.size, np.bool_)
        self._continues[[number for piece, number in pieces.items() if piece.startswith("##")]] = True

    def tokenised(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for at in range(0, len(texts), TEXTS_AT_ONCE):
            some = list(texts[at : at + TEXTS_AT_ONCE])
            for own in self.fast.encode_batch_fast(some, add_special_tokens=False):
                yield own.ids

    def hidden(self, ids: Ids, share: float, chance: np.random.Generator) -> tuple[Ids, Ids]:
        """Pieces with some words hidden; what was there, −100 elsewhere."""
        words = np.cumsum(~self._continues[ids].ravel())
        chosen = (chance.random(words[-1] + 1) < share)[words].reshape(ids.shape)
        chosen &= (ids != self.sep) & (ids != self.cls) & (ids != self.pad)
        wanted = np.where(chosen, ids, NOT_ASKED)
        draw = chance.random(ids.shape)
        ids = np.where(chosen & (draw < 0.8), self.mask, ids)
        strangers = chance.integers(0, self.size, ids.shape)
        return np.where(chosen & (draw >= 0.9), strangers, ids), wanted


class Blocks:
    """All texts in a row, as [n, window − 2] pieces; too little for one window is one shorter window."""

    def __init__(self, texts: Sequence[str], vocabulary: Vocabulary, window: int) -> None:
        self._cls, self._sep = vocabulary.cls, vocabulary.sep
        pieces = vocabulary.tokenised(texts)
        stream = np.concatenate(
            [np.zeros(0, np.int32), *(np.array([*own, self._sep], np.int32) for own in pieces if own)]
        )
        self.tokens = len(stream)
        width = min(window - 2, len(stream)) or 1
        whole = len(stream) // width
        self._blocks: Ids = stream[: whole * width].reshape(whole, width).astype(np.int64)

    def __len__(self) -> int:
        return len(self._blocks)

    def rows(self, which: Ids, chance: np.random.Generator) -> tuple[Ids, None, None, None]:
        own = self._blocks[which]
        edge = np.full((len(own), 1), self._cls)
        return np.concatenate([edge, own, np.full_like(edge, self._sep)], axis=1), None, None, None


class Pairs:
    """Stretches of whole sentences, none longer than `window` − 3 pieces; longer sentences are cut."""

    def __init__(self, texts: Sequence[str], vocabulary: Vocabulary, window: int) -> None:
        self._cls, self._sep, self._pad = vocabulary.cls, vocabulary.sep, vocabulary.pad
        self._room = window - 3
        pieces: list[NDArray[np.int32]] = []
        sentence_ends: list[int] = [0]
        stretches: list[tuple[int, int, int]] = []
        for number, own in enumerate(_by_sentence(texts, vocabulary, self._room)):
            first = size = 0
            for at, sentence in enumerate([*own, None]):
                if sentence is None or size + len(sentence) > self._room:
                    if at > first:
                        before = len(sentence_ends) - 1 - (at - first)
                        stretches.append((number, before, before + at - first))
                    first, size = at, 0
                if sentence is not None:
                    pieces.append(np.array(sentence, np.int32))
                    sentence_ends.append(sentence_ends[-1] + len(sentence))
                    size += len(sentence)
        self._stream = np.concatenate([np.zeros(0, np.int32), *pieces]).astype(np.int64)
        self._ends = np.array(sentence_ends)
        self._stretches = np.array(stretches, np.int64).reshape(-1, 3)
        self.tokens = len(self._stream)

    def __len__(self) -> int:
        return len(self._stretches)

    def rows(self, which: Ids, chance: np.random.Generator) -> tuple[Ids, Ids, Flags, Ids]:
        parts = [self._parts(int(number), chance) for number in which]
        length = max(len(a) + len(b) + 2 + bool(len(b)) for a, b, _ in parts)
        ids = np.full((len(parts), length), self._pad)
        second = np.zeros_like(ids)
        for row, marks, (a, b, _) in zip(ids, second, parts, strict=True):
            edge = np.array([self._sep])
            own = np.concatenate([[self._cls], a, edge, *([b, edge] if len(b) else ())])
            row[: len(own)] = own
            marks[len(a) + 2 : len(own)] = 1
        lengths = [len(a) + len(b) + 2 + bool(len(b)) for a, b, _ in parts]
        real = np.arange(length)[None] < np.array(lengths)[:, None]
        return ids, second, real, np.array([other for *_, other in parts])

    def _parts(self, number: int, chance: np.random.Generator) -> tuple[Ids, Ids, int]:
        """First part, second part, whether that is from elsewhere; a lone sentence has no second part."""
        text, first, stop = self._stretches[number].tolist()
        if stop - first < 2:
            return self._pieces(first, stop), self._pieces(stop, stop), NOT_ASKED
        cut = int(chance.integers(first + 1, stop))
        own = self._pieces(first, cut)
        away = self._elsewhere(text, chance) if chance.random() < 0.5 else None
        if away is None:
            return own, self._pieces(cut, stop), 0
        start = int(chance.integers(away[0], away[1]))
        return own, self._pieces(start, away[1])[: self._room - len(own)], 1

    def _elsewhere(self, text: int, chance: np.random.Generator) -> tuple[int, int] | None:
        """Sentences of a stretch of another text; None where a few draws find none."""
        for drawn in chance.integers(0, len(self._stretches), 8).tolist():
            other, first, stop = self._stretches[drawn].tolist()
            if other != text:
                return first, stop
        return None

    def _pieces(self, first: int, stop: int) -> Ids:
        return self._stream[self._ends[first] : self._ends[stop]]


def _by_sentence(texts: Sequence[str], vocabulary: Vocabulary, room: int) -> Iterator[list[list[int]]]:
    """Of each text the pieces of its sentences, longer ones cut; not of those without any."""
    for text in texts:
        parts = [text[span.start : span.end] for span in sentences(text, 0, len(text))]
        found = [
            own[at : at + room] for own in vocabulary.tokenised(parts) for at in range(0, len(own), room)
        ]
        if found:
            yield found


def drawn(
    windows: Windows, vocabulary: Vocabulary, size: int, share: float, seed: int, skip: int = 0
) -> Iterator[Masked]:
    """Batches of `size` windows without end, those of an epoch in random order; the same for one seed.

    The first `skip` are left out. Windows that do not fill a batch wait for another epoch.
    """
    step = epoch = 0
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(len(windows))
        for at in range(0, len(order) - size + 1, size):
            if step >= skip:
                yield masked(windows, vocabulary, order[at : at + size], share, [seed, 7, step])
            step += 1
        epoch += 1


def masked(windows: Windows, vocabulary: Vocabulary, which: Ids, share: float, seed: Sequence[int]) -> Masked:
    """Some windows as they are shown to the encoder."""
    chance = np.random.default_rng(list(seed))
    ids, second, real, other = windows.rows(which, chance)
    ids, wanted = vocabulary.hidden(ids, share, chance)
    rest = (None if own is None else torch.from_numpy(own) for own in (second, real, other))
    return Masked(torch.from_numpy(ids), torch.from_numpy(wanted), *rest)
