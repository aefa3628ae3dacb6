"""Explaining beside an engine: one at a time, never in its way, and nothing that is asked can end it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest

from models.checkpoint import Checkpoint
from models.errors import EngineError
from models.explaining import serving
from models.explaining.asking import Asking, Open
from models.explaining.explain import Explainer
from models.explaining.questions import ASSERTION, LABEL, SPAN, Weighed
from models.explaining.serving import NICE, Serving
from tests.decisive import decisive, record


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return decisive(tmp_path_factory.mktemp("decisive") / "made")


@pytest.fixture(scope="module")
def asked(checkpoint: Checkpoint) -> Open:
    return Asking(checkpoint).ask(*record("denies chest pain", topic=0.9, certainty="negative"))


@pytest.fixture
def served(checkpoint: Checkpoint) -> Iterator[Serving]:
    served = Serving(checkpoint, "cpu")
    yield served
    served.close()


class Held:
    """In place of an explainer: holds every answer until it is let go; knows who answers."""

    def __init__(self, _: Checkpoint, __: str, between: Any) -> None:
        self.between = between
        self.nice: list[int] = []

    def weigh(self, *_: Any) -> Weighed:
        self.nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        STARTED.release()
        assert LET_GO.acquire(timeout=30)
        self.between()
        return Weighed(np.zeros(1), np.zeros(1), np.zeros(1, np.float32))


STARTED, LET_GO = threading.Semaphore(0), threading.Semaphore(0)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "Explainer", Held)


def submitted(served: Serving, asked: Open, **changes: Any) -> Any:
    given: dict[str, Any] = {"passages": asked.pieces, "questions": asked.questions, "method": "rollout"}
    return served.submit(**given | changes)


@pytest.mark.parametrize("method", ["ig", "rollout"])
def test_it_answers_as_the_explainer_does(
    served: Serving, asked: Open, checkpoint: Checkpoint, method: Any
) -> None:
    found = submitted(served, asked, method=method).result(60)
    expected = Explainer(checkpoint, "cpu").weigh(asked.pieces, asked.questions, method)
    for own, theirs in zip(found, expected, strict=True):
        assert own == pytest.approx(theirs, nan_ok=True)


BAD = [
    [SPAN, 1, 0, 1, 0, 0],
    [SPAN, -1, 0, 1, 0, 0],
    [SPAN, 0, 0, 99, 0, 0],
    [SPAN, 0, 2, 2, 0, 0],
    [SPAN, 0, -1, 1, 0, 0],
    [SPAN, 0, 0, 1, 1, 0],
    [SPAN, 0, 0, 1, 0, 2],
    [ASSERTION, 0, 0, 1, 4, 0],
    [ASSERTION, 0, 0, 1, 2, 2],
    [LABEL, 0, 0, 0, 1, 0],
    [LABEL, 0, 0, 0, 0, -1],
    [3, 0, 0, 1, 0, 0],
]


@pytest.mark.parametrize("question", BAD)
def test_a_question_that_does_not_fit_is_refused(served: Serving, asked: Open, question: list[int]) -> None:
    future = submitted(served, asked, questions=np.array([question], np.int32))
    with pytest.raises(EngineError, match="does not fit"):
        future.result(60)


def test_a_method_that_takes_too_long_is_refused(served: Serving, asked: Open) -> None:
    with pytest.raises(EngineError, match="one of ig, rollout"):
        submitted(served, asked, method="shap").result(60)


@pytest.mark.parametrize("limit", ["MOST_TOKENS", "MOST_WORK"])
def test_what_costs_too_much_is_refused(
    served: Serving, asked: Open, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(serving, limit, 2)
    with pytest.raises(EngineError, match="more tokens"):
        submitted(served, asked).result(60)


@pytest.mark.usefixtures("held")
def test_one_is_answered_at_a_time_and_there_is_room_for_some(
    served: Serving, asked: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served._waiting, "maxsize", 1)
    first = submitted(served, asked)
    assert STARTED.acquire(timeout=30)
    second = submitted(served, asked)
    assert submitted(served, asked) is None, "there is no more room"
    assert not STARTED.acquire(blocking=False)
    LET_GO.release(2)
    assert len(first.result(60)) == len(second.result(60)) == 3
    assert STARTED.acquire(timeout=30)
    assert served._explainer.nice == [NICE, NICE]  # type: ignore[union-attr]


@pytest.mark.usefixtures("held")
def test_what_nobody_waits_for_ends(served: Serving, asked: Open) -> None:
    running, waiting, last = (submitted(served, asked) for _ in range(3))
    assert STARTED.acquire(timeout=30)
    assert running.cancel()
    assert waiting.cancel()
    LET_GO.release(2)
    assert last.result(60)
    assert STARTED.acquire(timeout=30)
    assert not STARTED.acquire(blocking=False), "what waited was never begun"


@pytest.mark.usefixtures("held")
def test_closing_cancels_what_is_left(checkpoint: Checkpoint, asked: Open) -> None:
    served = Serving(checkpoint, "cpu")
    futures = [submitted(served, asked) for _ in range(3)]
    assert STARTED.acquire(timeout=30)
    served._closed = True
    LET_GO.release()
    served.close()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(60)


def test_a_fault_is_told_without_its_text_and_the_next_is_answered(
    served: Serving, asked: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("chest pain")

    monkeypatch.setattr(Explainer, "weigh", broken)
    with pytest.raises(EngineError) as error:
        submitted(served, asked).result(60)
    assert str(error.value) == "ValueError while explaining"
    monkeypatch.undo()
    assert submitted(served, asked).result(60)
