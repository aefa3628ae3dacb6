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


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path: that of a socket may not be long."""
    with TemporaryDirectory() as name:
        yield Path(name)
