"""What a message's header asks for: an explanation, or a warning that says why there is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from models.checkpoint import Checkpoint
from models.errors import EngineError, RequestRefused
from models.explaining import asking
from models.explaining.asking import NOT_EXPLAINED, TOO_LARGE, UNKNOWN, WORDS, Asking
from models.explaining.explain import Explainer
from models.explanation import Method
from models.types import Note, RecordWarning
from tests.decisive import decisive, record

TEXT = "the patient denies chest pain and has no fever, takes aspirin."


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return decisive(tmp_path_factory.mktemp("decisive") / "made")


class Engine:
    """Answers in this process, as one at the other end of a socket would."""

    def __init__(self, checkpoint: Checkpoint, error: Exception | None = None) -> None:
        self._explainer, self._error = Explainer(checkpoint, "cpu"), error
        self.asked: list[str] = []

    async def weigh(self, passages: Sequence[Any], questions: np.ndarray, method: Method) -> Any:
        self.asked.append(method)
        if self._error:
            raise self._error
        return self._explainer.weigh(passages, questions, method)


@pytest.mark.parametrize("header", [b"ig", b"rollout", b" IG "])
async def test_a_header_is_answered_as_the_explainer_would(checkpoint: Checkpoint, header: bytes) -> None:
    note, annotation = record(TEXT, topic=0.9, certainty="negative")
    engine = Engine(checkpoint)
    found = await Asking(checkpoint).explain(note, annotation, header, engine)
    (method,) = engine.asked
    whole = Explainer(checkpoint, "cpu").explain(note, annotation, "ig" if method == "ig" else "rollout")
    assert [own.score for own in found.explanations] == [own.score for own in whole]
    for short, own in zip(found.explanations, whole, strict=True):
        assert short.words == own.words[:WORDS]
    assert any(len(own.words) > WORDS for own in whole)
    assert msgspec.structs.replace(found, explanations=()) == annotation


async def warned(
    checkpoint: Checkpoint, text: str, header: bytes, engine: Engine
) -> tuple[RecordWarning, ...]:
    """What the record of a text is warned of, once that is all that was added to it."""
    note, annotation = record(text)
    found = await Asking(checkpoint).explain(note, annotation, header, engine)
    assert msgspec.structs.replace(found, warnings=()) == annotation
    return found.warnings


@pytest.mark.parametrize("header", [b"", b"shap", b"\xff\x00", b"yes"])
async def test_another_method_is_a_warning(checkpoint: Checkpoint, header: bytes) -> None:
    engine = Engine(checkpoint)
    assert await warned(checkpoint, TEXT, header, engine) == (UNKNOWN,)
    assert not engine.asked


@pytest.mark.parametrize("limit", ["MOST_TOKENS", "MOST_WORK"])
async def test_too_long_a_note_is_a_warning_and_nothing_is_asked(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    engine = Engine(checkpoint)
    note, annotation = record(TEXT)
    own = Asking(checkpoint)
    asked = own.ask(note, annotation)
    tokens = sum(map(len, asked.tokens))
    exactly = tokens if limit == "MOST_TOKENS" else tokens * len(asked.questions)
    monkeypatch.setattr(asking, limit, exactly)
    assert (await own.explain(note, annotation, b"ig", engine)).explanations
    monkeypatch.setattr(asking, limit, exactly - 1)
    assert await warned(checkpoint, TEXT, b"ig", engine) == (TOO_LARGE,)
    assert len(engine.asked) == 1


async def test_nothing_to_explain_is_no_warning(checkpoint: Checkpoint) -> None:
    engine = Engine(checkpoint)
    assert await warned(checkpoint, "the patient", b"ig", engine) == ()
    assert not engine.asked


async def test_a_refusal_is_a_warning_and_anything_else_is_the_callers(checkpoint: Checkpoint) -> None:
    refusing = Engine(checkpoint, RequestRefused("no"))
    assert await warned(checkpoint, TEXT, b"ig", refusing) == (NOT_EXPLAINED,)
    with pytest.raises(EngineError, match="closed"):
        await warned(checkpoint, TEXT, b"ig", Engine(checkpoint, EngineError("the connection was closed")))


def test_no_text_is_in_a_repr(checkpoint: Checkpoint) -> None:
    note, annotation = record(TEXT)
    assert "chest" not in repr(Asking(checkpoint).ask(note, annotation)).lower()
    assert isinstance(note, Note)


def test_the_workers_half_imports_no_torch() -> None:
    code = "import sys, models.explaining.asking; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
