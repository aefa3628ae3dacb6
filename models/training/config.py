"""What a training run is made of: read from a committed file, recorded in what comes out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from models.corpora.texts import READERS
from models.errors import CheckpointError
from models.training.guessing import PretrainConfig


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Documents kept from training: those whose seeded hash falls below `share`."""

    seed: str
    share: float


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something learned came from."""

    name: str
    licence: str
    url: str


class Sizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hidden numbers of the heads that have a layer of their own."""

    assertion: int = 128
    relations: int = 128
    classes: int = 256


WEIGHTS = {"assertion": 0.3, "relations": 0.3, "documents": 0.2, "phi": 2.0, "events": 2.0}


class TrainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`corpora`: how often each is seen per epoch; `tokens`: length of the whole run, in tokens seen.

    `pretrain`: how the trunk reads the raw texts of `pretrain_on` first. `teachers`: models that are trained
    before, and teach: of each, what is otherwise than here. A student begins as the first of them, and reads
    the raw texts of `unlabelled` too, of which it has only what they say. `students`: those before the last
    one, likewise; each teaches those after it, and the next one begins as it. `averaged`: shares of the last
    student and of those that taught it, the newest first, in the weights that all goes on with.
    `refit`: corpora whose classes are learned once more at the end, the trunk as it is; `pieces`: how many
    word pieces then speak for themselves. `embedding`: whether passages get vectors.
    `whole`: by corpus, the chance that a document is seen as one window of up to `longest` tokens.
    `weights`: of the tasks' losses. `surrogates`, `synthetic`: documents made anew in each epoch.
    `masked`: share of the tokens that are hidden; `dropout`: of what each sublayer adds that is left out;
    `replaced`: of the mentions that another of the same kind stands in for.
    """

    name: str
    version: str
    corpora: dict[str, float]
    held_out: Held
    sources: tuple[Source, ...] = ()
    base: str = "minilm-l6"
    data: str = "data"
    output: str = "trained"
    pretrain: PretrainConfig | None = None
    pretrain_on: tuple[str, ...] = tuple(READERS)
    teachers: tuple[dict[str, Any], ...] = ()
    students: tuple[dict[str, Any], ...] = ()
    averaged: tuple[float, ...] = ()
    unlabelled: dict[str, float] = {}
    refit: tuple[str, ...] = ()
    pieces: int = 0
    embedding: bool = False
    seed: int = 1
    tokens: int = 3_200_000
    batch_tokens: int = 2048
    window: int = 256
    longest: int = 510
    overlap: int = 64
    whole: dict[str, float] = {}
    synthetic: int = 1500
    surrogates: int = 2000
    masked: float = 0.0
    dropout: float = 0.0
    replaced: float = 0.0
    weights: dict[str, float] = {}
    sizes: Sizes = Sizes()
    encoder_rate: float = 4e-4
    head_rate: float = 2e-3
    warm_up: int = 60
    weight_decay: float = 0.01
    outside_bias: float = 0.0
    """Added to the score of "no entity" when all is trained: weighs precision against recall."""
    mixed: bool = True
    """bf16 products where the machine is faster in them."""
    save_every: int = 200
    validate_every: int = 0
    """Steps between two looks at documents that are not learned from; 0: as often as weights are saved."""
    patience: int = 0
    """Looks without a better figure after which a run ends, with the best weights; 0: it runs to its end."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    threads: int = 0
    """Cores to use; 0: leave it to torch."""

    def __post_init__(self) -> None:
        models = len(self.teachers) + len(self.students) + 1
        if self.averaged and (len(self.averaged) != models or abs(sum(self.averaged) - 1) > 1e-6):
            raise ValueError(f"averaged: write {models} shares, one a model, that make 1 together")

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.batch_tokens)

    def often(self, corpus: str) -> float:
        """How often its documents are seen per epoch; raw texts are named `raw_name(folder)`."""
        raw = {raw_name(folder): often for folder, often in self.unlabelled.items()}
        return self.corpora.get(corpus, raw.get(corpus, 1.0))

    def teacher(self, number: int) -> TrainConfig:
        """Of the teacher of that number. Raises `CheckpointError` for what is no setting."""
        return self._otherwise(f"teacher {number + 1}", {"unlabelled": {}} | self.teachers[number])

    def student(self, number: int) -> TrainConfig:
        """Of the student of that number before the last. Raises `CheckpointError` for what is no setting."""
        return self._otherwise(f"student {number + 1}", self.students[number])

    def _otherwise(self, who: str, changes: dict[str, Any]) -> TrainConfig:
        changed = msgspec.to_builtins(self) | {"teachers": (), "students": (), "averaged": ()} | changes
        try:
            return msgspec.convert(changed, TrainConfig)
        except msgspec.ValidationError as error:
            raise CheckpointError(f"{who} of the training configuration: {error}") from None

    def weight(self, task: str) -> float:
        """What teachers say weighs as much as labels do."""
        return self.weights.get(task, WEIGHTS.get(task.removesuffix("-soft"), 1.0))


def raw_name(folder: str) -> str:
    """What the raw texts of a data folder are called among the corpora."""
    return f"{folder} (raw)"


def read_config(path: Path) -> TrainConfig:
    """Raises `CheckpointError`, in one line, for a file that is missing or wrong."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), TrainConfig)
    except (OSError, ValueError) as error:  # msgspec's and tomllib's errors are ValueErrors
        raise CheckpointError(f"{path} is no training configuration: {error}") from None
