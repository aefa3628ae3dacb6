"""The host's cost: every stage of a note's way has its figure, and each note goes through all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.checkpoint import open_checkpoint
from models.reader import Reader
from streamer import bench_host
from tests.checkpoints import streamer_folder


def test_every_stage_has_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_host, "NOTES", 2)
    monkeypatch.setattr(bench_host, "BEFORE", 20)
    cost = bench_host.host_cost(open_checkpoint(streamer_folder(tmp_path)), "cpu", rounds=3)
    assert list(cost.microseconds) == [
        "decode", "sections", "passages", "cache keys", "tokenise", "pack", "unpack", "findings", "seal",
        "assemble", "encode", "headers", "metrics",
    ]  # fmt: skip
    assert all(share > 0 for share in cost.microseconds.values())
    assert cost.total == pytest.approx(sum(cost.microseconds.values()))
    assert cost.passages >= 1


def test_notes_are_cut_to_their_number_of_tokens(tmp_path: Path) -> None:
    reader = Reader(open_checkpoint(streamer_folder(tmp_path)))
    texts = list(bench_host._texts(reader))
    assert len(texts) > 500
    for tokens in reader.tokenise(texts[:50]):
        assert abs(len(tokens) - bench_host.TOKENS) <= 2
    assert len(set(texts)) > 0.8 * len(texts)
