"""What a training run is made of: read from a committed file, recorded in what comes out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from models.errors import CheckpointError


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Documents kept from training: those whose seeded hash falls below `share`."""

    seed: str
    share: float


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something learned came from."""

    name: str
    licence: str
    url: str


class TrainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`corpora`: how often each is seen per epoch; `tokens`: length of the whole run, in tokens seen."""

    name: str
    version: str
    corpora: dict[str, int]
    held_out: Held
    sources: tuple[Source, ...] = ()
    base: str = "minilm-l6"
    data: str = "data"
    output: str = "trained"
    seed: int = 1
    tokens: int = 3_200_000
    batch_tokens: int = 2048
    window: int = 256
    overlap: int = 64
    synthetic: int = 1500
    encoder_rate: float = 4e-4
    head_rate: float = 2e-3
    warm_up: int = 60
    weight_decay: float = 0.01
    assertion_weight: float = 0.3
    assertion_hidden: int = 128
    outside_bias: float = 0.0
    """Added to the score of "no entity" when all is trained: weighs precision against recall."""
    save_every: int = 200
    threads: int = 0
    """Cores to use; 0: leave it to torch."""

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.batch_tokens)


def read_config(path: Path) -> TrainConfig:
    """Raises `CheckpointError`, in one line, for a file that is missing or wrong."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), TrainConfig)
    except (OSError, ValueError) as error:  # msgspec's and tomllib's errors are ValueErrors
        raise CheckpointError(f"{path} is no training configuration: {error}") from None
