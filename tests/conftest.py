"""What many tests share: a small checkpoint, an engine with it, a folder for a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from models.checkpoint import Checkpoint
from tests.checkpoints import tiny

if TYPE_CHECKING:
    from models.engine import Engine


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def engine(checkpoint: Checkpoint, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """With as many readers as the module's `READERS` says, else as there are cores."""
    from models.engine import Engine  # only where it is asked for: torch takes seconds to import

    engine = Engine(checkpoint, "cpu", readers=getattr(request.module, "READERS", None))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept for later runs is kept for one module only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def no_names() -> Iterator[None]:
    """Links are measured against no terminology, instead of half a million names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.evaluation.run.load_shipped", lambda: ())
        yield


@pytest.fixture(scope="module")
def few_steps(request: pytest.FixtureRequest) -> Iterator[None]:
    """Own data is learned from in as few steps as the module's `FEWEST_STEPS` says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.own_recipe.FEWEST_STEPS", request.module.FEWEST_STEPS)
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path: that of a socket may not be long."""
    with TemporaryDirectory() as name:
        yield Path(name)
