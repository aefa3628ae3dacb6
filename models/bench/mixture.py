"""The texts of the benchmark: real notes, cut to lengths that follow those of clinical passages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.bench.child import Item
from models.shape import EncoderConfig

MEDIAN, SIGMA = 174.0, 0.6
"""Of the lognormal distribution of tokens a window, [CLS] and [SEP] included; a group's mean is 204."""
SHORTEST, LONGEST = 8, 512
GROUP = 16
"""Windows that together have the mixture: one of each quantile."""
GROUPS = 8
FILLER = "."
"""One token wherever it stands."""


def quantiles() -> list[int]:
    """Tokens of the 16 windows of a group, ascending."""
    normal = NormalDist(np.log(MEDIAN), SIGMA)
    lengths = (np.exp(normal.inv_cdf((i + 0.5) / GROUP)) for i in range(GROUP))
    return [int(np.clip(round(length), SHORTEST, LONGEST)) for length in lengths]


def lengths(groups: int = GROUPS) -> list[int]:
    """Tokens of each window: every group has all quantiles, in an order of its own that never changes."""
    shuffle = random.Random(20)
    return [length for _ in range(groups) for length in shuffle.sample(quantiles(), GROUP)]


def items(texts: Sequence[str], tokenizer: Tokenizer, groups: int = GROUPS) -> list[Item]:
    """Stretches of `texts` of exactly these many tokens; each begins in another text."""
    return [
        Item(cut(" ".join([*texts[i:], *texts[:i]][:4]), tokenizer, length - 2), length)
        for i, length in ((number % len(texts), length) for number, length in enumerate(lengths(groups)))
    ]


def cut(text: str, tokenizer: Tokenizer, tokens: int) -> str:
    """The beginning of `text`, repeated where it is too short, of exactly `tokens` tokens.

    It ends with a whole word, then as many full stops as are missing.
    """
    encoded = tokenizer.encode(text, add_special_tokens=False)
    if not encoded.ids:
        return " ".join([FILLER] * tokens)
    if len(encoded.ids) <= tokens:
        times = tokens // len(encoded.ids) + 2
        text = " ".join([text] * times)
        encoded = tokenizer.encode(text, add_special_tokens=False)
    stop = tokens
    while stop and encoded.word_ids[stop] == encoded.word_ids[stop - 1]:
        stop -= 1
    kept = text[: encoded.offsets[stop - 1][1]] if stop else ""
    missing = tokens - len(tokenizer.encode(kept, add_special_tokens=False).ids)
    return kept + f" {FILLER}" * missing


def flop_per_token(config: EncoderConfig, sizes: Sequence[int]) -> float:
    """Of the trunk: linear layers, and attention over windows of `sizes` tokens, a multiply-add being two."""
    width, inner = config.hidden_size, config.intermediate_size
    linear = 2 * (4 * width * width + 2 * width * inner)
    counted = np.array(sizes, np.float64)
    attention = 4 * width * (counted**2).sum() / counted.sum()
    return float(config.num_hidden_layers * (linear + attention))


def padded_share(sizes: Sequence[int], batch: int) -> float:
    """Share of a peer's tokens that are padding when it takes `batch` windows at a time, in their order."""
    counted: NDArray[np.int64] = np.array(sizes, np.int64)
    computed = sum(
        int(part.max()) * len(part) for part in np.split(counted, range(batch, len(counted), batch))
    )
    return 1 - float(counted.sum()) / computed
