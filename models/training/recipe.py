"""The default checkpoint, from the data folders to what ships, by a recipe that anybody can run again.

    raw texts → a trunk read on → teachers → students → a checkpoint → vectors, thresholds, figures

Every stage is kept in the output folder, so that a run that was cut off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.checkpoint import Checkpoint, open_checkpoint
from models.corpora.folders import read_corpus
from models.corpora.scheme import Document, held_out
from models.corpora.texts import read_texts
from models.errors import CheckpointError
from models.features import FeatureDictionary
from models.forward import choose_device
from models.training import evaluate, precisions
from models.training.bases import MINILM, base_folder
from models.training.config import TrainConfig, raw_name, read_config
from models.training.dictionary import names_for
from models.training.embed import embed
from models.training.examples import Preparer
from models.training.export import export, record
from models.training.material import Material
from models.training.model import Model
from models.training.pretrain import pretrain
from models.training.progress import Progress
from models.training.quicker import quicker
from models.training.refit import refit
from models.training.scheme import Scheme, shipped, tasks_of
from models.training.settle import settle
from models.training.special import special_pieces
from models.training.teaching import taught
from models.training.train import STATE, Loop, train

NOTES = ("mtsamples", "aci-bench")
"""Whose texts made-up identifiers are put into."""
PASSAGES_OF = ("mtsamples", "mts-dialog", "aci-bench", "medquad", "bc5cdr")
EMBEDDED = 6000
"""Passages that the embedding is fitted to."""
LONGEST_PASSAGE = 1200

OnProgress = Callable[[Progress], None]
OnStage = Callable[[str], None]


def run(
    config: TrainConfig | Path,
    on_progress: OnProgress = lambda _: None,
    *,
    on_stage: OnStage = lambda _: None,
    data: Path | None = None,
    output: Path | None = None,
    base: str | None = None,
) -> Path:
    """Train, or go on where a run into the same `output` was cut off; measure on the held-out documents.

    Returns the folder of the finished checkpoint, its figures in its manifest.

    `data`, `output` and `base` (a folder or name of any BERT checkpoint) go before the configuration's own.
    `on_stage` hears what is being done where no steps are counted.
    Raises `CheckpointError` or `OSError` for what is missing.
    """
    config = read_config(config) if isinstance(config, Path) else config
    root = data or Path(config.data)
    folder = output or Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    start = open_checkpoint(_base(config, root, folder, base or config.base, on_progress))
    _require_room(start, config)
    on_stage("reading the data sets")
    documents, held = read_training(root, config)
    names = names_for(root)
    texts = Texts(_notes(root, config), read_unlabelled(root, config))
    kitchen = Kitchen(start, documents, texts, FeatureDictionary(names), on_progress, on_stage)
    teachers = [
        kitchen.trained(config.teacher(number), folder / f"teacher-{number + 1}.pt", ())
        for number in range(len(config.teachers))
    ]
    for number in range(len(config.students)):
        state = folder / f"student-{number + 1}.pt"
        teachers.insert(0, kitchen.trained(config.student(number), state, teachers))
    student = kitchen.trained(config, folder / STATE, teachers)
    if config.averaged:
        average([student, *teachers], config.averaged)
    kitchen.refitted(student, config)
    finished = export(student, start, names, config, folder / "checkpoint")
    if config.embedding:
        on_stage("fitting vectors to MiniLM's")
        record(finished, embedding={"cosine": round(embed(finished, _teacher(), _passages(root, config)), 4)})
    on_stage("fitting curves and thresholds on one half of what was held out")
    settle(finished, held)
    on_stage("measuring what was held out")
    precisions.storage(finished, student.state_dict(), root, config)
    record(finished, figures=evaluate.run(finished, root, config=config).as_dict())
    precisions.run(finished, root, config)
    return finished


@dataclass(frozen=True)
class Texts:
    """`notes`: made-up identifiers are put into them; `unlabelled`: by name, what only teachers speak of."""

    notes: Sequence[str]
    unlabelled: Mapping[str, Sequence[Document]]


class Kitchen:
    """What every model of a recipe is made of."""

    def __init__(
        self,
        start: Checkpoint,
        documents: Mapping[str, Sequence[Document]],
        texts: Texts,
        dictionary: FeatureDictionary,
        on_progress: OnProgress,
        on_stage: OnStage,
    ) -> None:
        self._start, self._documents, self._texts, self._dictionary = start, documents, texts, dictionary
        self._on_progress, self._on_stage = on_progress, on_stage
        self.scheme: Scheme = shipped(tasks_of(document for own in documents.values() for document in own))

    def trained(self, config: TrainConfig, state: Path, teachers: Sequence[Model]) -> Model:
        """A model, from `state` on if it was begun; taught by `teachers`, if there are any: then it begins as
        the first of them."""
        stage = state.stem.replace("-", " ")
        self._on_stage(f"{stage}: making ready")
        torch.manual_seed(config.seed)
        model = Model(self._start, self.scheme, config.sizes, quicker(config.mixed), config.dropout)
        model.to(choose_device("auto"))
        documents = {**self._documents, **(self._texts.unlabelled if teachers else {})}
        material = Material(
            documents, self._texts.notes, self._start.tokenizer, self._dictionary, self.scheme, config
        )
        if teachers:
            model.load_state_dict(teachers[0].state_dict())
            self._on_stage(f"{stage}: asking its teachers")
            for name, examples in material.examples.items():
                if name in self._texts.unlabelled or any(own.tags for own in examples):
                    own = taught(
                        examples, teachers, material.special, config.window - 2, tables=material.tables
                    )
                    material.examples[name] = own
        train(
            model, Loop(material, config, state), lambda step: self._on_progress(replace(step, stage=stage))
        )
        return model

    def refitted(self, model: Model, config: TrainConfig) -> None:
        """Its class heads, on the corpora that the recipe names."""
        plain = Preparer(self._start.tokenizer, self._dictionary, self.scheme)
        examples = [own for name in config.refit for own in plain.prepare(self._documents[name])]
        if examples:
            self._on_stage("heads of classes once more")
            special = special_pieces(self._start.tokenizer)
            refit(model, examples, special, config.window - 2, config.seed, config.pieces)


@torch.no_grad()
def average(models: Sequence[Model], shares: Sequence[float]) -> None:
    """The first gets the mean of all weights: models that began alike lie in one valley (Wortsman et al.
    2022, "Model soups")."""
    states = [model.state_dict() for model in models]
    mean = {
        name: sum(share * state[name] for share, state in zip(shares, states, strict=True))
        for name in states[0]
    }
    models[0].load_state_dict(mean)


def read_training(
    root: Path, config: TrainConfig
) -> tuple[dict[str, list[Document]], dict[str, list[Document]]]:
    """By corpus: the documents to learn from, and those that are held out."""
    learned: dict[str, list[Document]] = {}
    held: dict[str, list[Document]] = {}
    for name in config.corpora:
        learned[name], held[name] = [], []
        for document in read_corpus(root, name):
            kept = held_out(document.id, config.held_out.seed, config.held_out.share)
            (held if kept else learned)[name].append(document)
    return learned, held


def read_unlabelled(root: Path, config: TrainConfig) -> dict[str, list[Document]]:
    """By name, the raw texts that are not held out: documents of which nothing is labelled."""
    held = config.held_out
    return {
        raw_name(folder): [
            Document(raw_name(folder), own, text)
            for own, text in read_texts(root, (folder,))
            if not held_out(own, held.seed, held.share)
        ]
        for folder in config.unlabelled
    }


def _base(config: TrainConfig, root: Path, folder: Path, base: str, on_progress: OnProgress) -> str:
    """What is trained from: the base, read on first if the recipe says so."""
    if config.pretrain is None:
        return base_folder(base)
    there = tuple(name for name in config.pretrain_on if (root / name).is_dir())
    texts = _unheld(read_texts(root, there), config)
    done = pretrain(
        texts,
        base,
        folder / "base",
        config.pretrain,
        lambda step: on_progress(replace(step, stage="reading")),
    )
    return str(done.folder)


def _unheld(texts: Iterable[tuple[str, str]], config: TrainConfig) -> list[str]:
    held = config.held_out
    return [text for own, text in texts if not held_out(own, held.seed, held.share)]


def _notes(root: Path, config: TrainConfig) -> list[str]:
    if not config.surrogates:
        return []
    return _unheld(read_texts(root, tuple(name for name in NOTES if (root / name).is_dir())), config)


def _passages(root: Path, config: TrainConfig) -> list[str]:
    """Texts of about a passage's length, from all data folders that are there."""
    there = tuple(name for name in PASSAGES_OF if (root / name).is_dir())
    texts = [part.strip() for text in _unheld(read_texts(root, there), config) for part in text.split("\n")]
    wanted = [text[:LONGEST_PASSAGE] for text in texts if len(text) > 40]
    return wanted[:: max(1, len(wanted) // EMBEDDED)][:EMBEDDED]


def _teacher() -> Checkpoint:
    return open_checkpoint(base_folder(MINILM))


def _require_room(start: Checkpoint, config: TrainConfig) -> None:
    most = start.encoder.max_position_embeddings
    longest = max([config.window, *((config.longest + 2) for share in config.whole.values() if share)])
    if longest > most:
        raise CheckpointError(f"{start.name} sees {most} tokens; lower `window` or `longest`")
