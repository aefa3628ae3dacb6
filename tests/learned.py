"""What the tests of training share: a tiny base, a scheme with every kind of head, and documents for it."""

from __future__ import annotations

from pathlib import Path

from models.checkpoint import open_checkpoint
from models.corpora.scheme import (
    CATEGORIES,
    MEDICATION,
    PHI,
    PROBLEM,
    Document,
    Labelled,
    Layer,
    Related,
    axes,
)
from models.features import FeatureDictionary
from models.training.examples import Preparer
from models.training.scheme import Scheme, Task, shipped
from models.training.special import Special
from tests.checkpoints import huggingface_folder

SCHEME: Scheme = shipped({"kind": Task(("a", "b"), False), "topics": Task(("x", "y", "z"), True)})
K = len(CATEGORIES)
NAMES = ["O", *(f"B-{c}" for c in CATEGORIES), *(f"I-{c}" for c in CATEGORIES)]
TEXT = "no chest pain. aspirin has left pains."
PAIN, ASPIRIN, PAINS = (3, 13), (15, 22), (32, 37)
LABELLED = Document(
    "c",
    "1",
    TEXT,
    (
        Labelled(*PAIN, PROBLEM, axes("negative"), ("D1",)),
        Labelled(*ASPIRIN, MEDICATION, codes=("C1",)),
        Labelled(*PAINS, PROBLEM, codes=("D2",)),
    ),
    PROBLEM | MEDICATION,
    layers={"phi": Layer((Labelled(0, 2, frozenset({"NAME"})),), frozenset(PHI))},
    relations=(Related("ADVERSE_EFFECT_OF", PAINS, ASPIRIN),),
    related=frozenset({"ADVERSE_EFFECT_OF"}),
)


def preparer(folder: Path, scheme: Scheme = SCHEME) -> Preparer:
    base = open_checkpoint(huggingface_folder(folder, "BertModel"))
    return Preparer(base.tokenizer, FeatureDictionary([]), scheme)


def special(folder: Path) -> Special:
    tokenizer = open_checkpoint(huggingface_folder(folder, "BertModel")).tokenizer
    return Special(*(tokenizer.token_to_id(piece) or 0 for piece in ("[CLS]", "[SEP]", "[MASK]", "[PAD]")))
