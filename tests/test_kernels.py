from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models import kernels

WIDTH, HEADS = 48, 3
LENGTHS = [1, 7, 2, 40]
TOKENS = sum(LENGTHS)
STARTS = np.concatenate([[0], np.cumsum(LENGTHS)])
Array = NDArray[Any]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def as_bf16(numbers: Array) -> Array:
    array: Array = torch.from_numpy(numbers).bfloat16().view(torch.uint16).numpy()
    return array


def numbers(bf16: Array) -> Tensor:
    return torch.from_numpy(bf16).view(torch.bfloat16).float()


def outputs(rows: int, width: int, dtype: str) -> tuple[Array, Array]:
    return np.zeros((rows, width), dtype), steps(np.ones(rows))


def steps(step: Array, base: Array | float = 0.0) -> Array:
    return np.stack([step, np.broadcast_to(base, step.shape)], 1).astype(np.float32)


def meant(rows: Array, steps: Array) -> Array:
    """What rows of uint8 stand for."""
    numbers: Array = steps[:, 1:] + steps[:, :1] * rows.astype(np.float32)
    return numbers


ZERO = np.float32(3)
OWN = steps(np.linspace(0.5, 2, TOKENS), np.linspace(-1, 1, TOKENS))


def stood_for(product: Array, sums: Array, bias: Array) -> Array:
    """What a product stands for, with the steps `OWN`."""
    numbers: Array = OWN[:, :1] * product + (OWN[:, 1:] + ZERO * OWN[:, :1]) * sums + bias
    return numbers


class TestNorm:
    def run(self, product: Array, dtype: str) -> tuple[Array, Array, Array]:
        hidden = random(TOKENS, WIDTH, seed=1)
        out, out_steps = outputs(TOKENS, WIDTH, dtype)
        vectors = [random(WIDTH, seed=seed) for seed in (2, 3, 4, 5)]
        kernels.norm(hidden, product, OWN, ZERO, *vectors, np.float32(1e-12), out, out_steps)
        return hidden, out, out_steps

    def expected(self, product: Array) -> Tensor:
        sums, bias, gain, shift = (random(WIDTH, seed=seed) for seed in (2, 3, 4, 5))
        summed = torch.from_numpy(random(TOKENS, WIDTH, seed=1) + stood_for(product, sums, bias))
        return F.layer_norm(summed, (WIDTH,), torch.from_numpy(gain), torch.from_numpy(shift), 1e-12)

    def test_is_the_layer_norm_of_the_sum(self) -> None:
        product = random(TOKENS, WIDTH)
        hidden, out, _ = self.run(product, "f4")
        torch.testing.assert_close(torch.from_numpy(hidden), self.expected(product), atol=2e-5, rtol=1e-5)
        np.testing.assert_array_equal(out, hidden)

    def test_takes_bf16_products(self) -> None:
        product = as_bf16(random(TOKENS, WIDTH))
        hidden, out, _ = self.run(product, "u2")
        expected = self.expected(numbers(product).numpy())
        torch.testing.assert_close(torch.from_numpy(hidden), expected, atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(numbers(out), expected, atol=1e-6, rtol=2**-8)

    def test_eight_bits_are_at_most_half_a_step_off(self) -> None:
        hidden, out, own = self.run(random(TOKENS, WIDTH), "u1")
        assert (np.abs(meant(out, own) - hidden) <= 0.501 * own[:, :1]).all()
        assert out.min() == 0
        assert out.max() == 255

    def test_a_row_of_one_number_is_that_number(self) -> None:
        hidden = np.full((1, WIDTH), 3, np.float32)
        out, own = outputs(1, WIDTH, "u1")
        none, product = np.zeros(WIDTH, np.float32), np.zeros((1, WIDTH), np.float32)
        vectors = (none, none, none, none - 7)
        kernels.norm(hidden, product, own.copy(), ZERO, *vectors, np.float32(1e-12), out, own)
        np.testing.assert_allclose(meant(out, own), -7)

    @pytest.mark.parametrize("dtype", ["u1", "u2"])
    def test_a_row_without_numbers_stays_one_and_harms_no_other(self, dtype: str) -> None:
        product = random(TOKENS, WIDTH)
        broken = product.copy()
        broken[5, 7] = np.inf
        sound = self.run(product, dtype)
        spoilt = self.run(broken, dtype)
        others = np.arange(TOKENS) != 5
        assert not np.isfinite(spoilt[0][5]).all()
        for left, right in zip(sound, spoilt, strict=True):
            np.testing.assert_array_equal(left[others], right[others])


class TestGelu:
    def test_eight_bits_are_at_most_half_a_step_off(self) -> None:
        product, sums, bias = random(TOKENS, WIDTH) * 4, random(WIDTH, seed=1), random(WIDTH, seed=2)
        out, own = outputs(TOKENS, WIDTH, "u1")
        kernels.gelu(product, OWN, ZERO, sums, bias, out, own)
        exact = F.gelu(torch.from_numpy(stood_for(product, sums, bias))).numpy()
        assert (np.abs(meant(out, own) - exact) <= 0.5 * own[:, :1] + 3e-4).all()

    def test_takes_bf16_products(self) -> None:
        product, none = as_bf16(random(TOKENS, WIDTH) * 4), np.zeros(WIDTH, np.float32)
        out, own = outputs(TOKENS, WIDTH, "u1")
        kernels.gelu(product, steps(np.ones(TOKENS)), ZERO, none, none, out, own)
        assert (np.abs(meant(out, own) - F.gelu(numbers(product)).numpy()) <= 0.5 * own[:, :1] + 3e-4).all()

    def test_far_from_zero_it_is_zero_or_the_number(self) -> None:
        product = np.array([[-3e4, -50, -4, 0, 4, 50, 3e4]], np.float32)
        out, own = outputs(1, 7, "u1")
        none = np.zeros(7, np.float32)
        kernels.gelu(product, own.copy(), ZERO, none, none, out, own)
        assert out[0].tolist() == [0, 0, 0, 0, 0, 0, 255]
        np.testing.assert_allclose(meant(out, own)[0, -1], 3e4, rtol=1e-5)


class TestAttention:
    @pytest.mark.parametrize("first", [0, 3, 11])
    def test_split_lays_every_window_head_by_head(self, first: int) -> None:
        product = random(TOKENS, 3 * WIDTH)
        sums, bias = random(3 * WIDTH, seed=1), random(3 * WIDTH, seed=2)
        parts = [np.zeros(TOKENS * WIDTH, np.uint16) for _ in range(3)]
        row = np.zeros(3 * WIDTH, np.uint16)
        for block in (slice(0, first), slice(first, TOKENS)):
            given = (product[block], block.start, OWN[block], ZERO, sums, bias, STARTS, HEADS)
            kernels.split(*given, row, *parts)
        whole = torch.from_numpy(stood_for(product, sums, bias)).view(TOKENS, 3, HEADS, -1)
        for start, length in zip(STARTS, LENGTHS, strict=False):
            own = whole[start : start + length].permute(1, 2, 0, 3)
            for part, expected in zip(parts, own, strict=True):
                laid = numbers(part[start * WIDTH : (start + length) * WIDTH]).view(HEADS, length, -1)
                torch.testing.assert_close(laid, expected, atol=1e-6, rtol=2**-8)

    @pytest.mark.parametrize("keys", [1, 5, 64, 205])
    def test_softmax_in_fp32(self, keys: int) -> None:
        scores, sums = random(30, keys) * 20, np.zeros(30, np.float32)
        expected = torch.softmax(torch.from_numpy(scores).double() * np.log(2), -1).float()
        kernels.softmax(scores, sums)
        torch.testing.assert_close(torch.from_numpy(scores * sums[:, None]), expected, atol=1e-12, rtol=5e-7)

    @pytest.mark.parametrize("keys", [1, 5, 64, 205])
    def test_softmax_is_that_of_powers_of_two(self, keys: int) -> None:
        scores = as_bf16(random(30, keys) * 20)
        expected = torch.softmax(numbers(scores) * np.log(2), -1)
        sums = np.zeros(30, np.float32)
        kernels.softmax(scores, sums)
        got = numbers(scores) * torch.from_numpy(sums)[:, None]
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=2**-7)

    def test_softmax_of_huge_scores_and_of_none(self) -> None:
        scores = as_bf16(np.array([[3e38, -3e38, 0], [np.nan, 1, 2], [-5e4, -5e4, -5e4]], np.float32))
        sums = np.zeros(3, np.float32)
        kernels.softmax(scores, sums)
        got = numbers(scores) * torch.from_numpy(sums)[:, None]
        np.testing.assert_allclose(got[0], [1, 0, 0], atol=1e-6)
        np.testing.assert_allclose(got[2], [1 / 3] * 3, rtol=2**-7)
        assert not got[1].isfinite().all()

    def test_merge_is_the_way_back(self) -> None:
        attended, sums = as_bf16(random(TOKENS * WIDTH)), random(TOKENS * HEADS, seed=1)
        out, scales = outputs(TOKENS, WIDTH, "f4")
        kernels.merge(attended, sums, STARTS, HEADS, out, scales, np.zeros(WIDTH, np.float32))
        for start, length in zip(STARTS, LENGTHS, strict=False):
            own = numbers(attended[start * WIDTH : (start + length) * WIDTH]).view(HEADS, length, -1)
            inverse = torch.from_numpy(sums[start * HEADS : (start + length) * HEADS]).view(HEADS, length, 1)
            expected = (own * inverse).transpose(0, 1).reshape(length, WIDTH)
            torch.testing.assert_close(torch.from_numpy(out[start : start + length]), expected)


MERGED = """
import hashlib
import numpy as np
from models import kernels

tokens, width, heads = 205, 384, 12
rng = np.random.default_rng(0)
attended = (rng.standard_normal(tokens * width).astype("f4").view("i4") >> 16).astype("u2")
sums = np.abs(rng.standard_normal(tokens * heads)).astype("f4")
out, steps = np.zeros((tokens, width), "u1"), np.zeros((tokens, 2), "f4")
kernels.merge(attended, sums, np.array([0, tokens]), heads, out, steps, np.zeros(width, "f4"))
print(hashlib.sha256(out.tobytes() + steps.tobytes()).hexdigest())
"""


def test_what_was_compiled_at_an_earlier_start_gives_the_same_bits(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.run([sys.executable, "-c", MERGED], env=environment, capture_output=True, check=True)
        for _ in range(2)
    ]
    assert any(tmp_path.rglob("*merge*"))
    assert runs[0].stdout == runs[1].stdout
