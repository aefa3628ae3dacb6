"""The shape of a BERT trunk, known without torch, and of what the files of a checkpoint may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Size = Annotated[int, Meta(gt=0, le=1 << 24)]
Name = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,200}\Z")]
FileName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}\Z")]
"""Of a file in the folder itself."""


@dataclass(frozen=True)
class EncoderConfig:
    """Names as in Hugging Face's `config.json`."""

    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    intermediate_size: Size
    max_position_embeddings: Annotated[int, Meta(ge=3, le=1 << 24)] = 512
    type_vocab_size: Size = 2
    layer_norm_eps: Annotated[float, Meta(ge=0, le=1)] = 1e-12
    features: Annotated[int, Meta(ge=0, le=256)] = 0
    """Rows of the feature table (one per value of a token's feature mask); 0: the trunk takes none."""

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError("hidden_size is no multiple of num_attention_heads")
