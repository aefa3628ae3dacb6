"""What teachers say lies at the tokens that it is said of, and a student comes near it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import open_checkpoint
from models.corpora.scheme import Document
from models.heads.entities import Entities
from models.training.batch import collate
from models.training.config import Sizes
from models.training.losses import soft_loss
from models.training.model import Model
from models.training.teaching import taught
from models.training.windows import Window
from tests import learned
from tests.checkpoints import huggingface_folder
from tests.learned import LABELLED, SCHEME


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


def teacher(folder: Path, seed: int) -> Model:
    torch.manual_seed(seed)
    base = open_checkpoint(huggingface_folder(folder, "BertModel"))
    return Model(base, SCHEME, Sizes(8, 8, 8), torch.float32)


def test_each_token_has_the_mean_of_what_the_teachers_find_probable(folder: Path) -> None:
    teachers = [teacher(folder, 0), teacher(folder, 1)]
    texts = ["no pain", "the patient has left chest pains and no fever", "aspirin"]
    special = learned.special(folder)
    examples = learned.preparer(folder).prepare([LABELLED, *(Document("c", text, text) for text in texts)])
    seen: list[tuple[int, int]] = []
    found = taught(examples, teachers, special, 60, lambda *n: seen.append(n))
    for before, after in zip(examples, found, strict=True):
        assert not before.soft
        assert after.ids is before.ids
        ids = torch.tensor([special.cls, *before.ids.tolist(), special.sep])
        with torch.no_grad():
            for layer, soft in after.soft.items():
                rows = []
                for own in teachers:
                    head = own.heads[layer]
                    assert isinstance(head, Entities)
                    hidden = own.encoder(ids, [len(ids)], torch.from_numpy(np.pad(before.features, 1)).long())
                    rows.append(head.project(hidden).softmax(1)[1:-1])
                assert np.allclose(soft, torch.stack(rows).mean(0).numpy(), atol=2e-3)
    assert seen[-1][0] == seen[-1][1] > 0


def test_teachers_do_not_speak_of_what_labels_forbid(folder: Path) -> None:
    prepared = learned.preparer(folder)
    examples = prepared.prepare([LABELLED])
    tables = {layer: sets.table() for layer, sets in prepared.sets.items()}
    teachers = [teacher(folder, 0)]
    (free,), (kept,) = (
        taught(examples, teachers, learned.special(folder), 60, tables=given) for given in ({}, tables)
    )
    tags = examples[0].tags["entities"]
    allowed = tables["entities"].numpy()[tags]
    assert (free.soft["entities"][~allowed] > 0).any()
    assert (kept.soft["entities"][~allowed] == 0).all()
    assert np.allclose(kept.soft["entities"].sum(1), 1, atol=2e-3)
    within = free.soft["entities"].astype(float) * allowed
    assert np.allclose(kept.soft["entities"], within / within.sum(1, keepdims=True), atol=2e-3)


def test_a_batch_carries_them_and_the_nearest_student_costs_least(folder: Path) -> None:
    own = teacher(folder, 0)
    special = learned.special(folder)
    (example,) = taught(learned.preparer(folder).prepare([LABELLED]), [own], special, 60)
    untaught = learned.preparer(folder).prepare([LABELLED])[0]
    windows = [(Window(untaught, 0, 9),), (Window(example, 0, 4),)]
    batch = collate(windows, special, SCHEME, 0.0, random.Random(0), still=True)
    soft, places = batch.soft["entities"]
    assert np.allclose(soft, example.soft["entities"][:4])
    assert batch.ids[batch.real][places].tolist() == example.ids[:4].tolist()
    head = own.heads["entities"]
    assert isinstance(head, Entities)
    with torch.no_grad():
        hidden = own.hidden(batch)
        same = soft_loss(head, hidden, soft, places)
        other = teacher(folder, 5).heads["entities"]
        assert isinstance(other, Entities)
        assert soft_loss(other, hidden, soft, places) > same
        entropy = -(soft * soft.clamp(min=1e-9).log()).sum() / len(hidden)
        assert same.item() == pytest.approx(entropy.item(), rel=2e-2)
