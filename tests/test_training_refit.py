"""Class heads that learn last: on the trunk as it is, and as the trunk's numbers are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.checkpoint import open_checkpoint
from models.corpora.scheme import Document
from models.heads.text_classes import TextClasses
from models.training.batch import collate
from models.training.config import Sizes
from models.training.model import Model, pool
from models.training.refit import refit
from models.training.windows import passages
from tests import learned
from tests.checkpoints import huggingface_folder

WORDS = {"x": "pain", "y": "fever", "z": "aspirin"}
TEXTS = [
    Document(
        "c",
        f"{label}{number}",
        f"{'the patient has ' * (number % 3)}{word}.",
        classes={"topics": frozenset({label})},
    )
    for number in range(1, 9)
    for label, word in WORDS.items()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture
def model(folder: Path) -> Model:
    torch.manual_seed(0)
    base = open_checkpoint(huggingface_folder(folder, "BertModel"))
    return Model(base, learned.SCHEME, Sizes(8, 8, 8), torch.float32)


def probabilities(model: Model, folder: Path, limit: int) -> Tensor:
    """[texts, labels], each text's passages weighted by their length."""
    examples = learned.preparer(folder).prepare(TEXTS)
    head = model.heads["topics"]
    assert isinstance(head, TextClasses)
    found = []
    for own in examples:
        windows = [(window,) for window in passages(own, limit, random.Random(0))]
        batch = collate(windows, learned.special(folder), model.scheme, 0.0, random.Random(0), still=True)
        with torch.no_grad():
            logits = head.project(pool(model.hidden(batch), batch.windows, len(windows)))
        sizes = torch.bincount(batch.windows).float()
        found.append((logits * sizes[:, None]).sum(0) / sizes.sum())
    return torch.stack(found).sigmoid()


@pytest.mark.parametrize("limit", [100, 12])
def test_labels_are_told_apart_and_nothing_but_their_head_has_changed(
    model: Model, folder: Path, limit: int
) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    examples = learned.preparer(folder).prepare(TEXTS)
    refit(model, examples, learned.special(folder), limit, seed=1)
    wanted = torch.tensor([[label in document.classes["topics"] for label in WORDS] for document in TEXTS])
    said = probabilities(model, folder, limit)
    assert said[wanted].mean() > 2 * said[~wanted].mean()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"heads.topics.{part}" for part in (
        "mix.weight", "mix.bias", "classifier.weight", "classifier.bias"
    )}  # fmt: skip


def test_the_same_seed_gives_the_same_head(model: Model, folder: Path) -> None:
    examples, special = learned.preparer(folder).prepare(TEXTS), learned.special(folder)
    refit(model, examples, special, 100, seed=1)
    first = model.heads["topics"].state_dict()["mix.weight"].clone()
    refit(model, examples, special, 100, seed=1)
    assert torch.equal(model.heads["topics"].state_dict()["mix.weight"], first)


def test_pieces_are_half_of_what_is_told(model: Model, folder: Path) -> None:
    examples, special = learned.preparer(folder).prepare(TEXTS), learned.special(folder)
    refit(model, examples, special, 100, seed=1)
    alone = probabilities(model, folder, 100)
    refit(model, examples, special, 100, seed=1, pieces=50)
    trunk = probabilities(model, folder, 100)
    head = model.heads["topics"]
    assert isinstance(head, TextClasses)
    assert head.bag is not None
    both = []
    for number, own in enumerate(examples):
        with torch.no_grad():
            pieces = head.bag(torch.from_numpy(own.ids), torch.tensor([len(own.ids)]))[0]
        both.append((torch.logit(trunk[number]) + pieces).sigmoid())
    wanted = torch.tensor([[label in document.classes["topics"] for label in WORDS] for document in TEXTS])
    assert torch.stack(both)[wanted].min() > 0.5 > torch.stack(both)[~wanted].max()
    spread = torch.logit(trunk).std(0) / torch.logit(alone).std(0)
    torch.testing.assert_close(spread, torch.full_like(spread, 0.5), atol=1e-3, rtol=0)
    refit(model, examples, special, 100, seed=1)
    assert model.heads["topics"].bag is None
