"""What a head is: one task on top of the trunk. Heads do not know each other, nor the engine.

A head's life: `HEAD.build(width, settings)` from the manifest's entry; weights loaded by name; `project`
right after the trunk, and `read` after that, both on the device and for a whole batch at once. Whatever a row
gives is the same whichever rows are beside it. A passage of several windows is put together again from the
projected rows of its windows and read as a whole, so that a seam can neither lose nor split anything.

Each head file ends in `HEAD = …`. A head is a `torch.nn.Module` and one of the four kinds below, told apart
by `reads`:

- "spans": finds spans of tokens; any number, each a layer whose spans do not overlap
- "assertion": judges the spans that the spans heads found (at most one)
- "relations": joins spans that the spans heads found (at most one)
- "classes": labels the passage as a whole, or gives numbers for it (any number)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from models.heads.bag import Bag

Float = NDArray[np.float32]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]
Settings = Mapping[str, Any]
"""A head's entry in the manifest: `name`, `kind`, and whatever the kind needs."""


class Head(Protocol):
    """What every kind has. `build` is a class method."""

    reads: Literal["spans", "assertion", "relations", "classes"]

    def project(self, hidden: Tensor) -> Tensor:
        """`hidden` [rows, width] → [rows, k], both float32. Rows: tokens; for "classes" see there."""
        ...


class SpansHead(Head, Protocol):
    """`project` is its only linear layer: those of all heads are computed as one."""

    categories: tuple[str, ...]

    def read(self, projected: Tensor, word_start: Bool, outside: Bool) -> tuple[Int, Float]:
        """`projected` [tokens, k] of many windows in a row → spans, confidences.

        `word_start` [tokens]: where a word starts. `outside` [tokens]: [CLS] and [SEP], which are in no span
        and part what is on either side of them.
        Spans int32 [m, 3]: first token, end token (exclusive), index into `categories`; in order.
        Confidences float32 [m], in 0…1.
        """
        ...


class AssertionHead(Head, Protocol):
    def read(self, projected: Tensor, lengths: Int) -> Float:
        """`projected` [rows, k]: the tokens of each span, one span after the other; `lengths` [m] of them
        → probabilities [m, 13], each axis summing to 1.

        Columns: certainty 5, conditionality 3, association 2, temporality 3, in the order of `types.AXES`.
        """
        ...


class RelationsHead(Head, Protocol):
    categories: tuple[str, ...]
    kinds: tuple[str, ...]
    """Categories of spans that it joins."""

    def read(self, projected: Tensor, spans: Int, kinds: Int, window: Int) -> tuple[Int, Float]:
        """`projected` [rows, k]; `spans` [m, 2] rows, in order of their starts in each window; `kinds`,
        `window` [m]: what each span is, and which window it lies in.

        Relations int32 [r, 3]: source and target among the spans, index into `categories`; confidences [r].
        """
        ...


class ClassesHead(Head, Protocol):
    """`pooled`: `project` takes each window's [CLS] row beside the mean of its rows, [windows, 2 · width];
    else its [CLS] row alone, [windows, width]. `bag`: what the window's word pieces add to that, if anything.
    """

    pooled: bool
    bag: Bag | None
    labels: tuple[str, ...]

    def read(self, projected: Tensor) -> Float:
        """`projected` [windows, k] → probabilities, or whatever the numbers are, [windows, labels]."""
        ...
