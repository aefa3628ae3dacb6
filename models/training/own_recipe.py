"""How a checkpoint is made from a user's own labelled texts: every knob with a default, in a small TOML file.

name = "ward-7"
base = "emilyalsentzer/Bio_ClinicalBERT"
epochs = 8
encoder_rate = 5e-5
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from models.corpora.scheme import Document
from models.corpora.tables import Columns
from models.errors import CheckpointError
from models.training.bases import MINILM
from models.training.config import Held, TrainConfig
from models.training.windows import BUNDLE_TOKENS

HEADS = ("entities", "assertion", "relations", "classes")
HELD = "own"
"""Seed of what is held out; `streamer evaluate` on the same data holds out the same."""
FEWEST_STEPS, MOST_STEPS = 120, 20_000
LOOKS = 24
"""How often a run looks at what is not learned from."""
LETTERS_A_TOKEN = 4

Count = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0, le=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]


class OwnRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`base`: a folder or hub name. `heads`, `labels`: only these; `labels` empty: all. `text_column`,
    `label_columns`: of tables, where their names do not tell.

    `epochs`: times over the texts at most; it ends when `patience` looks at the held-out `dev_share` were no
    better, 0: never. `batch_tokens`: seen at once, `accumulate`: batches to a step. `masked`: share of the
    tokens that are hidden while learning. `threads`: 0 leaves it to torch.
    """

    name: str = ""
    version: str = "1"
    base: str = MINILM
    heads: tuple[str, ...] = HEADS
    labels: tuple[str, ...] = ()
    text_column: str = ""
    label_columns: tuple[str, ...] = ()
    epochs: Annotated[float, Meta(gt=0, le=10_000)] = 8.0
    batch_tokens: Annotated[int, Meta(ge=64)] = 1024
    accumulate: Count = 1
    seed: int = 1
    encoder_rate: Rate = 2e-4
    head_rate: Rate = 1e-3
    warm_up: Annotated[int, Meta(ge=0)] = 30
    weight_decay: Share = 0.01
    masked: Share = 0.03
    dropout: Share = 0.0
    window: Annotated[int, Meta(ge=16)] = 256
    patience: Annotated[int, Meta(ge=0)] = 8
    dev_share: Annotated[float, Meta(gt=0, lt=1)] = 0.15
    threads: Annotated[int, Meta(ge=0)] = 0
    mixed: bool = True

    @property
    def columns(self) -> Columns:
        return Columns(self.text_column or None, self.label_columns)

    def changed(self, **given: object) -> OwnRecipe:
        """With what was given, None apart; checked like a file. Raises `CheckpointError`."""
        known = {name: value for name, value in given.items() if value is not None}
        return _checked({**msgspec.to_builtins(self), **known}, "the training options")

    def as_toml(self) -> str:
        """A file that `read_own_recipe` reads to the same recipe."""
        lines = []
        for name, value in msgspec.to_builtins(self).items():
            lines.append(f"{name} = {_toml(value)}\n")
        return "".join(lines)


def read_own_recipe(path: Path) -> OwnRecipe:
    """Raises `CheckpointError`, in one line, for a file that is missing or wrong."""
    return _checked(_table(path), str(path))


def is_whole_recipe(path: Path) -> bool:
    """Whether a file is a recipe of named data sets, as that of the shipped checkpoint is."""
    return "corpora" in _table(path)


def train_config(recipe: OwnRecipe, documents: Sequence[Document]) -> TrainConfig:
    """The loop's settings for so many documents to learn from."""
    a_step = recipe.batch_tokens * recipe.accumulate
    wanted = round(recipe.epochs * sum(map(_tokens, documents)) / a_step)
    steps = min(max(wanted, FEWEST_STEPS), MOST_STEPS)
    every = max(5, steps // LOOKS)
    return TrainConfig(
        name=recipe.name or "own", version=recipe.version, corpora={"own": 1.0}, synthetic=0, surrogates=0,
        held_out=Held(HELD, recipe.dev_share), base=recipe.base, seed=recipe.seed,
        tokens=steps * recipe.batch_tokens, batch_tokens=recipe.batch_tokens, accumulate=recipe.accumulate,
        window=recipe.window, masked=recipe.masked, dropout=recipe.dropout, encoder_rate=recipe.encoder_rate,
        head_rate=recipe.head_rate, warm_up=min(recipe.warm_up, steps // 4), mixed=recipe.mixed,
        weight_decay=recipe.weight_decay, patience=recipe.patience, threads=recipe.threads,
        save_every=every, validate_every=every,
    )  # fmt: skip


def _tokens(document: Document) -> int:
    """About so many are seen of it in an epoch."""
    whole = max(1, len(document.text) // LETTERS_A_TOKEN)
    return min(whole, BUNDLE_TOKENS) if document.classes else whole


def _table(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # tomllib's errors are ValueErrors
        raise CheckpointError(f"{path} is no training configuration: {error}") from None


def _checked(table: dict[str, object], where: str) -> OwnRecipe:
    try:
        recipe = msgspec.convert(table, OwnRecipe)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{where}: {error}; see docs/training.md for what there is") from None
    unknown = [head for head in recipe.heads if head not in HEADS]
    if unknown or not recipe.heads:
        named = f"no head is called {', '.join(unknown)}" if unknown else "no head is named"
        raise CheckpointError(f"{where}: {named}; there are {', '.join(HEADS)}")
    return recipe


def _toml(value: object) -> str:
    """JSON's strings, numbers, booleans and lists of strings are TOML's as well."""
    return msgspec.json.encode(value).decode()
