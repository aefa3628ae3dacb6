"""The short form of `streamer chaos`: every fault that real servers can show, each a test."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from streamer.chaos import canaries, running
from streamer.chaos.bed import Bed, Plan
from streamer.chaos.rows import ROWS, Row
from streamer.embedded.progress import shown_download

SERVED = [row for row in ROWS if row.run is not None and not row.long_only]

pytestmark = [
    pytest.mark.timeout(900),
    # kafka-python leaves sockets open that it tried dead brokers with
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("bed")
    with shown_download() as progress, Bed(folder, Plan(), progress) as made:
        yield made


@pytest.mark.parametrize("row", SERVED, ids=lambda row: f"row-{row.number}")
def test_the_row_holds(row: Row, bed: Bed) -> None:
    result = running.run_row(row, bed)
    gc.collect()
    assert result.verdict == "holds", result.said


def test_nothing_that_was_planted_is_left_by_all_of_them(bed: Bed) -> None:
    bed.keep_only(())
    assert not canaries.sweep(bed.left_over())
