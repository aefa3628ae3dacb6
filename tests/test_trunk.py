from __future__ import annotations

from typing import cast, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models import trunk
from models.encoder import Encoder, EncoderConfig
from models.errors import CheckpointError
from models.precision import Precision
from models.trunk import Trunk, sums_exactly

CONFIG = EncoderConfig(200, 96, 3, 3, 256, max_position_embeddings=600, features=8)
LENGTHS = [3, 130, 1, 64, 512, 2, 77]
FARTHEST = {"int8": 0.04, "bf16": 0.01, "fp32": 2e-6}
"""Root mean square against fp32, relative."""


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(CONFIG).eval().requires_grad_(False)
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.08) if parameter.ndim == 2 else nn.init.normal_(parameter, 0.5, 0.3)
    return encoder


@pytest.fixture(scope="module", params=get_args(Precision))
def precision(request: pytest.FixtureRequest) -> Precision:
    chosen: Precision = request.param
    return chosen


@pytest.fixture(scope="module")
def low(encoder: Encoder, precision: Precision) -> Trunk:
    return Trunk(encoder, precision)


def batch(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, CONFIG.vocab_size, (sum(lengths),), generator=generator, dtype=torch.int32)
    features = torch.randint(0, CONFIG.features, (sum(lengths),), generator=generator, dtype=torch.uint8)
    return ids, features


def test_is_near_the_encoder(encoder: Encoder, low: Trunk, precision: Precision) -> None:
    ids, features = batch(LENGTHS)
    with torch.inference_mode():
        exact = encoder(ids, LENGTHS, features)
        off = low(ids, LENGTHS, features) - exact
    assert off.square().mean().sqrt() / exact.square().mean().sqrt() < FARTHEST[precision]


def test_where_the_number_of_rows_changes_the_order_it_is_fixed(
    encoder: Encoder, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk.FloatLinear, "keeps_order", lambda self: False)
    seen = set[int]()
    product = trunk.FloatLinear.__call__

    def counted(self: trunk.FloatLinear, rows: Tensor) -> object:
        seen.add(len(rows))
        return product(self, rows)

    monkeypatch.setattr(trunk.FloatLinear, "__call__", counted)
    ids, features = batch(LENGTHS)
    with torch.inference_mode():
        fixed = Trunk(encoder, precision)(ids, LENGTHS, features)
        exact = encoder(ids, LENGTHS, features)
    assert seen == (set() if precision == "int8" else {trunk.FIXED_ROWS})
    assert (fixed - exact).square().mean().sqrt() / exact.square().mean().sqrt() < FARTHEST[precision]


@pytest.mark.parametrize("tokens", [1, 2, 511, 512, 513, 514, 577])
def test_any_number_of_tokens(encoder: Encoder, low: Trunk, precision: Precision, tokens: int) -> None:
    ids, features = batch([tokens])
    with torch.inference_mode():
        off = low(ids, [tokens], features) - encoder(ids, [tokens], features)
    assert off.shape == (tokens, CONFIG.hidden_size)
    assert off.square().mean().sqrt() < FARTHEST[precision]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_a_window_has_the_same_bits_in_any_batch(low: Trunk, lengths: list[int], random: object) -> None:
    others = [*lengths, 50]
    with torch.inference_mode():
        ids, features = batch([50])
        alone = low(ids, [50], features)
        before, masks = batch(lengths, seed=1)
        mixed = low(torch.cat([before, ids]), others, torch.cat([masks, features]))
    assert torch.equal(mixed[-50:], alone)


def test_what_is_no_number_stays_in_its_window(encoder: Encoder, precision: Precision) -> None:
    encoder = Encoder(CONFIG).eval().requires_grad_(False)
    encoder.words.weight[7] = float("inf")
    low = Trunk(encoder, precision)
    ids, features = batch([20, 30, 40])
    ids[ids == 7] = 8
    with torch.inference_mode():
        sound = low(ids, [20, 30, 40], features)
        ids[25] = 7
        broken = low(ids, [20, 30, 40], features)
    assert sound.isfinite().all()
    assert not broken[20:50].isfinite().all(1).any()
    assert torch.equal(broken[:20], sound[:20])
    assert torch.equal(broken[50:], sound[50:])


def test_weights_that_are_no_numbers_are_refused(precision: Precision) -> None:
    broken = Encoder(CONFIG).eval().requires_grad_(False)
    cast(nn.Linear, broken.layers[1].up).weight[3, 4] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        Trunk(broken, precision)


def test_eight_bit_products_are_exact_here() -> None:
    assert sums_exactly()


def test_products_that_saturate_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(self: trunk.Int8Linear, rows: Tensor) -> object:
        return torch.full((len(rows), 16), 64 / 2 * 32767 / 127).bfloat16().view(torch.uint16).numpy()

    monkeypatch.setattr(trunk.Int8Linear, "__call__", saturating)
    assert not sums_exactly()


@pytest.mark.parametrize("attention", [torch.float32, torch.bfloat16])
def test_attention_may_be_quicker_in_either(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, attention: torch.dtype
) -> None:
    monkeypatch.setattr(trunk, "quicker_attention", lambda heads, size: attention)
    ids, features = batch(LENGTHS)
    with torch.inference_mode():
        exact = encoder(ids, LENGTHS, features)
        off = Trunk(encoder, "int8")(ids, LENGTHS, features) - exact
    assert off.square().mean().sqrt() / exact.square().mean().sqrt() < FARTHEST["int8"]
