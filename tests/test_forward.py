from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from models.blocks import Together
from models.checkpoint import Checkpoint
from models.errors import EngineError
from models.forward import Forward
from models.heads.bag import Bag
from models.precision import Precision
from tests.checkpoints import tiny
from tests.decisive import decisive


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return tiny(tmp_path_factory.mktemp("tiny"))


WINDOWS = [
    (np.array([5, 6, 7], np.int32), np.zeros(3, np.uint8)),
    (np.zeros(0, np.int32), np.zeros(0, np.uint8)),
]


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_batch_is_packed_and_framed(checkpoint: Checkpoint, precision: Precision) -> None:
    projected = Forward(checkpoint, "cpu", precision)(WINDOWS)
    cls, sep = checkpoint.cls_id, checkpoint.sep_id
    assert projected.ids.tolist() == [cls, 5, 6, 7, sep, cls, sep]
    assert projected.ends.tolist() == [5, 7]
    assert projected.hidden.shape == (7, checkpoint.encoder.hidden_size)


def test_layers_together_say_what_each_says() -> None:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(16, width) for width in (5, 1, 40)]
    rows = torch.randn(130, 16)
    together = Together(layers)
    with torch.inference_mode():
        for own, layer in zip(together(rows), layers, strict=True):
            torch.testing.assert_close(own, layer(rows), atol=1e-5, rtol=0)
        alone = torch.cat([torch.cat(together(row[None]), 1) for row in rows])
        assert torch.equal(torch.cat(together(rows), 1), alone)  # whatever rows are beside it


def test_without_onednn_only_fp32_can_be_read(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = Forward(checkpoint, "cpu")(WINDOWS).hidden
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    torch.testing.assert_close(Forward(checkpoint, "cpu")(WINDOWS).hidden, exact, atol=5e-5, rtol=0)
    with pytest.raises(EngineError, match="STREAMER_PRECISION=fp32"):
        Forward(checkpoint, "cpu", "int8")


def test_what_a_bag_says_of_a_window_is_added_to_its_logits(tmp_path: Path) -> None:
    forward = Forward(decisive(tmp_path), "cpu")
    (head,) = forward.heads.classes
    plain = forward(WINDOWS).classes[0]
    head.bag = Bag([6, 7], 2)
    with torch.no_grad():
        head.bag.table.copy_(torch.tensor([[5.0, 0.0], [0.0, -10.0]]))
    torch.testing.assert_close(forward(WINDOWS).classes[0] - plain, torch.tensor([[1.0, -2.0], [0.0, 0.0]]))
