"""Text → word pieces: exactly those of the checkpoint's own tokenizer, at a fraction of its cost.

A BERT tokenizer parts text at blanks and around ASCII punctuation before all else, so what it makes of a
stretch in between is the same wherever that stands, and so is how its words are written. Each different
stretch is given to it once and remembered; a text then costs one look-up a stretch, and array operations for
all of it. What is not so simple goes to the tokenizer as it is.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from models.features import FeatureDictionary, written
from models.stretches import Pieces, Stretches

MOST_TOKENS = 1 << 20
"""In one passage: text without any sentence end. More would need gigabytes to put together."""
LONGEST = 40
"""Characters of a stretch that is remembered: beyond, it is no word."""
SURROGATE = re.compile("[\ud800-\udfff]")
_PUNCTUATION = r"!-/:-@\[-`{-~"
_STRETCH = re.compile(rf"[^ \t\n\r{_PUNCTUATION}]+ ?|[{_PUNCTUATION}] ?|[ \t\n\r]+")


@dataclass(frozen=True, eq=False, slots=True)
class Tokens:
    """Word pieces of a passage, without [CLS] and [SEP]; `starts`, `ends` in code points of its text.

    Of a passage that is `too_large` there are none.
    """

    ids: NDArray[np.int32]
    features: NDArray[np.uint8]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    too_large: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def passage(self) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """What the engine is asked: a `models.requests.Passage`."""
        return self.ids, self.features


class Tokeniser:
    """A checkpoint's tokenizer and, where its trunk looks at features, what finds them. Thread-safe."""

    def __init__(self, tokenizer: Tokenizer, features: FeatureDictionary | None) -> None:
        self._tokenizer = tokenizer
        self._features = features
        self._specials = [added.content for added in tokenizer.get_added_tokens_decoder().values()]
        self._known = Stretches() if _parts_at_punctuation(tokenizer) else None
        self._learning = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of every text. Any text goes, lone surrogates too."""
        joined = "\n".join(texts)
        if not joined.isascii():
            joined = SURROGATE.sub("\ufffd", joined)
        pieces = self._known and self._look_up(self._known, joined)
        if pieces is None and len(texts) > 1:
            half = len(texts) // 2
            return self(texts[:half]) + self(texts[half:])
        return self._tokens(texts, joined, pieces or self._ask(joined))

    def _look_up(self, known: Stretches, text: str) -> Pieces | None:
        """None where looking up will not do."""
        if any(special in text for special in self._specials):
            return None
        stretches = _STRETCH.findall(text)
        numbers = list(map(known.numbers.get, stretches))
        if None in numbers:
            new = {stretch for stretch, number in zip(stretches, numbers, strict=True) if number is None}
            if max(map(len, new)) > LONGEST or not self._learn(known, new):
                return None
            numbers = list(map(known.numbers.get, stretches))
        return known.pieces(np.array(numbers, np.int32))

    def _learn(self, known: Stretches, new: Collection[str]) -> bool:
        """False: there was no room."""
        with self._learning:
            stretches = [stretch for stretch in new if stretch not in known.numbers]
            pieces = self._ask("\n".join(stretches))
            bases, bounds = _parts(stretches, pieces)
            counts = np.diff(bounds)
            shift = np.repeat(bases[:-1], counts)
            own = pieces._replace(starts=pieces.starts - shift, ends=pieces.ends - shift)
            if known.learn(stretches, own, counts):
                return True
            self._known = Stretches()
            return False

    def _ask(self, text: str) -> Pieces:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        starts, ends = np.array(encoding.offsets, np.int32).reshape(-1, 2).T.copy()
        how = written(text)[np.minimum(starts, len(text) - 1)] if len(starts) else np.zeros(0, np.uint8)
        return Pieces(np.array(encoding.ids, np.int32), starts, ends, how)

    def _tokens(self, texts: Sequence[str], joined: str, pieces: Pieces) -> list[Tokens]:
        ids, starts, ends, features = pieces
        if self._features is None:
            features = np.zeros(len(ids), np.uint8)
        else:
            self._features.mark(joined, features, starts, ends)
        bases, bounds = _parts(texts, pieces)
        return [
            Tokens(ids[a:b], features[a:b], starts[a:b] - base, ends[a:b] - base)
            if b - a <= MOST_TOKENS
            else Tokens(ids[:0], features[:0], starts[:0], ends[:0], too_large=True)
            for base, (a, b) in zip(bases[:-1], pairwise(bounds.tolist()), strict=True)
        ]


def _parts(texts: Sequence[str], pieces: Pieces) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Where each of the texts that were joined by one character starts, and its pieces begin; and the end."""
    bases = np.array(list(accumulate((len(text) + 1 for text in texts), initial=0)), np.int32)
    return bases, np.searchsorted(pieces.starts, bases)


def _parts_at_punctuation(tokenizer: Tokenizer) -> bool:
    """Whether what stands between blanks and ASCII punctuation is tokenised for itself."""
    bert = (
        isinstance(tokenizer.normalizer, BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        and isinstance(tokenizer.model, WordPiece)
    )
    return bert and not any(added.normalized for added in tokenizer.get_added_tokens_decoder().values())
