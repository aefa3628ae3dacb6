"""The BERT trunk, packed: every batch is one `[tokens, width]` tensor, without padding.

Module names follow the Hugging Face layout one to one, so a checkpoint loads through a table of renames
(`weights.py`). Method: Devlin et al. 2019; packing as in "effective transformers" (ByteDance 2021).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.shape import EncoderConfig as EncoderConfig


class Layer(nn.Module):
    """One transformer block: attention within each window, then the feed-forward part; post-norm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.up = nn.Linear(width, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, width)
        self.output_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, lengths: list[int]) -> Tensor:
        """`hidden` [tokens, width] → the same shape; tokens see only their own window."""
        hidden = self.attention_norm(hidden + self.out(self._attend(self.qkv(hidden), lengths)))
        result: Tensor = self.output_norm(hidden + self.down(F.gelu(self.up(hidden))))
        return result

    def _attend(self, qkv: Tensor, lengths: list[int]) -> Tensor:
        """`qkv` [tokens, 3 · width] → attended values [tokens, width], window by window."""
        tokens, three = qkv.shape
        split = qkv.view(tokens, 3, self.heads, three // 3 // self.heads)
        parts = []
        for window in torch.split(split, lengths):
            q, k, v = window.permute(1, 2, 0, 3).unsqueeze(1)
            parts.append(F.scaled_dot_product_attention(q, k, v).squeeze(0).transpose(0, 1))
        return torch.cat(parts).reshape(tokens, three // 3)


class Encoder(nn.Module):
    """Word pieces of many windows → their hidden states, in one packed pass."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.types = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.features = nn.Embedding(config.features, config.hidden_size) if config.features else None
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, ids: Tensor, lengths: list[int], features: Tensor | None = None) -> Tensor:
        """Hidden states of a packed batch.

        `ids` int [tokens]: all windows' pieces one after another, [CLS] and [SEP] included;
        `lengths`: pieces of each window, summing to `tokens`, each ≤ `max_position_embeddings`;
        `features` uint8 or int [tokens]: feature masks, ignored by a trunk without a feature table.
        Returns [tokens, width].
        """
        hidden: Tensor = self.norm(self.embedded(ids, lengths, features))
        for layer in self.layers:
            hidden = layer(hidden, lengths)
        return hidden

    def embedded(self, ids: Tensor, lengths: list[int], features: Tensor | None = None) -> Tensor:
        """What the tables say of every token, [tokens, width], before the norm; arguments as `forward`."""
        hidden: Tensor = (
            self.words(ids) + self.positions(positions(lengths, ids.device)) + self.types.weight[0]
        )
        if self.features is not None and features is not None:
            hidden = hidden + self.features(features.int())
        return hidden


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """From the CPU to a device: from pinned memory, without waiting for what runs there."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def positions(lengths: list[int], device: torch.device) -> Tensor:
    """Each token's place in its own window: [0 … n₁-1, 0 … n₂-1, …]."""
    sizes = torch.tensor(lengths)
    starts = torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
    return sent(torch.arange(len(starts)) - starts, device)
