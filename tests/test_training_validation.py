"""What a run looks at between its steps: texts as a note is read."""

from __future__ import annotations

import random
from pathlib import Path

from models.corpora.scheme import Document
from models.training.validation import _read
from models.training.windows import BUNDLE_TOKENS
from tests.learned import preparer

LONG = "The patient has fever. No chest pain, and aspirin was left. " * 60


def test_a_text_that_has_classes_is_looked_at_from_its_first_to_its_last_token(tmp_path: Path) -> None:
    document = Document("own", "1", LONG, classes={"kind": frozenset({"a"})})
    (example,) = preparer(tmp_path).prepare([document])
    assert len(example.ids) > BUNDLE_TOKENS
    (bundle,) = _read(example, 40, 94, random.Random(0))
    assert [window.start for window in bundle] == [0, *(window.stop for window in bundle[:-1])]
    assert bundle[-1].stop == len(example.ids)
    assert all(len(window) <= 42 for window in bundle)


def test_a_text_without_words_is_not_looked_at(tmp_path: Path) -> None:
    document = Document("own", "1", " ", classes={"kind": frozenset({"a"})})
    (example,) = preparer(tmp_path).prepare([document])
    assert _read(example, 40, 94, random.Random(0)) == []
