"""The trunk for CUDA: on the CPU with a stand-in for its attention, and whole where there is a card."""

from __future__ import annotations

import copy
import inspect
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models import cuda, forward
from models.checkpoint import Checkpoint
from models.cuda import CudaTrunk
from models.encoder import Encoder
from models.precision import Precision
from models.weights import load_encoder
from tests.checkpoints import tiny

LENGTHS = [1, 17, 34, 2, 9]
SMALL: tuple[Precision, ...] = ("bf16", "int8")
NEAR = {"bf16": 0.03, "int8": 0.06}
"""Relative root mean square of what may differ from fp32: these weights are random and wide."""


def attention(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor, max_q: int, max_k: int
) -> Tensor:
    """Stands in for `varlen_attn`, which only CUDA has."""
    assert query.dtype == key.dtype == value.dtype == torch.bfloat16
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    bounds = cu_seq_q.tolist()
    sizes = [b - a for a, b in pairwise(bounds)]
    assert (bounds[-1], max(sizes)) == (len(query), max_q) == (len(key), max_k)
    windows = zip(*(torch.split(part.transpose(0, 1), sizes, 1) for part in (query, key, value)), strict=True)
    parts = [F.scaled_dot_product_attention(q[None], k[None], v[None])[0] for q, k, v in windows]
    return torch.cat(parts, 1).transpose(0, 1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return tiny(tmp_path_factory.mktemp("cuda"))


@pytest.fixture(scope="module")
def encoder(checkpoint: Checkpoint) -> Encoder:
    return load_encoder(checkpoint)


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda.BFloat16Linear, "rows", 64)


def ids(lengths: list[int], encoder: Encoder, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(encoder.config.vocab_size, (sum(lengths),), generator=generator, dtype=torch.int32)


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean().sqrt() / other.square().mean().sqrt())


@pytest.mark.parametrize("precision", SMALL)
@torch.inference_mode()
def test_it_reads_as_the_exact_trunk_does(encoder: Encoder, precision: Precision) -> None:
    own = ids(LENGTHS, encoder)
    hidden = CudaTrunk(encoder, precision, attention)(own, LENGTHS)
    exact = encoder(own, LENGTHS)
    assert (hidden.shape, hidden.dtype) == (exact.shape, torch.float32)
    assert 0 < apart(hidden, exact) < NEAR[precision]


@pytest.mark.parametrize("precision", SMALL)
@torch.inference_mode()
def test_a_windows_bits_do_not_depend_on_its_batch(encoder: Encoder, precision: Precision) -> None:
    trunk = CudaTrunk(encoder, precision, attention)
    own = ids(LENGTHS, encoder)
    together = torch.split(trunk(own, LENGTHS), LENGTHS)
    for window, length, hidden in zip(torch.split(own, LENGTHS), LENGTHS, together, strict=True):
        assert torch.equal(trunk(window, [length]), hidden)
    many = [*LENGTHS[::-1], *LENGTHS]
    twice = trunk(torch.cat([*torch.split(own, LENGTHS)[::-1], own]), many)
    last = torch.split(twice, many)[len(LENGTHS) :]
    assert all(torch.equal(a, b) for a, b in zip(last, together, strict=True))


@torch.inference_mode()
def test_features_are_added_where_the_checkpoint_learned_with_them() -> None:
    from models.shape import EncoderConfig

    config = EncoderConfig(50, 64, 1, 4, 128, 40, 2, 1e-12, features=8)
    torch.manual_seed(0)
    encoder = Encoder(config).eval()
    own, marks = ids([5], encoder), torch.tensor([0, 1, 2, 7, 3], dtype=torch.uint8)
    trunk = CudaTrunk(encoder, "bf16", attention)
    assert apart(trunk(own, [5], marks), encoder(own, [5], marks)) < NEAR["bf16"]
    assert not torch.equal(trunk(own, [5], marks), trunk(own, [5]))


def test_a_card_is_given_this_trunk_and_the_plain_one_in_fp32(encoder: Encoder) -> None:
    own = copy.deepcopy(encoder)
    chosen = {p: forward._trunk(own, torch.device("cuda"), p) for p in ("bf16", "int8", "fp32")}
    assert [isinstance(trunk, CudaTrunk) for trunk in chosen.values()] == [True, True, False]


def test_the_stand_in_takes_what_torch_takes() -> None:
    from torch.nn.attention.varlen import varlen_attn

    real = inspect.signature(varlen_attn).parameters
    own = inspect.signature(attention).parameters
    assert list(real)[: len(own)] == list(own)
    needed = [p for p in list(real.values())[len(own) :] if p.default is inspect.Parameter.empty]
    assert needed == []


# --- where there is a card -----------------------------------------------------------------------

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.gpu
@needs_card
@pytest.mark.parametrize("precision", SMALL)
@torch.inference_mode()
def test_on_a_card_it_reads_as_with_the_stand_in(encoder: Encoder, precision: Precision) -> None:
    own = ids(LENGTHS, encoder)
    expected = encoder(own, LENGTHS)
    trunk = CudaTrunk(encoder.to("cuda"), precision)
    hidden = trunk(own.cuda(), LENGTHS)
    assert apart(hidden.cpu(), expected) < NEAR[precision]
    for window, length, alone in zip(
        torch.split(own, LENGTHS), LENGTHS, torch.split(hidden, LENGTHS), strict=True
    ):
        assert torch.equal(trunk(window.cuda(), [length]), alone)
    encoder.to("cpu")


@pytest.mark.gpu
@needs_card
@pytest.mark.parametrize("precision", ["fp32", *SMALL])
def test_on_a_card_the_engine_answers_in_every_precision(
    checkpoint: Checkpoint, precision: Precision
) -> None:
    from models.engine import Engine
    from tests.engines import passage, result

    engine = Engine(checkpoint, "cuda", precision=precision)
    answers = result(engine.submit([passage(n, n) for n in range(60)]))
    assert {answer.status for answer in answers} == {"ok"}
    engine.close()


@pytest.mark.gpu
@needs_card
def test_on_a_card_the_probe_measures_every_precision(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import calibration

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = calibration._measure(checkpoint, "cuda", ["fp32", "bf16", "int8"])
    assert set(measured.speeds) == {"fp32", "bf16", "int8"}
