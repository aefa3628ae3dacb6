"""The pieces of a vocabulary that stand for no text."""

from __future__ import annotations

from typing import NamedTuple

from tokenizers import Tokenizer


class Special(NamedTuple):
    """Numbers of [CLS], [SEP], [MASK] and [PAD]."""

    cls: int
    sep: int
    mask: int
    pad: int


def special_pieces(tokenizer: Tokenizer) -> Special:
    pieces = ("[CLS]", "[SEP]", "[MASK]", "[PAD]")
    return Special(*(tokenizer.token_to_id(piece) or 0 for piece in pieces))
