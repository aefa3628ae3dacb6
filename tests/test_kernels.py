from __future__ import annotations

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
    return np.zeros((rows, width), dtype), np.ones(rows, np.float32)


class TestNorm:
    def run(self, product: Array, dtype: str, hidden: Array | None = None) -> tuple[Array, Array, Array]:
        hidden = random(TOKENS, WIDTH, seed=1) if hidden is None else hidden
        out, scales = outputs(TOKENS, WIDTH, dtype)
        own = np.linspace(0.5, 2, TOKENS, dtype=np.float32)
        vectors = [random(WIDTH, seed=seed) for seed in (2, 3, 4)]
        kernels.norm(hidden, product, own, *vectors, np.float32(1e-12), out, scales)
        return hidden, out, scales

    def expected(self, product: Array) -> Tensor:
        bias, gain, shift = (torch.from_numpy(random(WIDTH, seed=seed)) for seed in (2, 3, 4))
        scales = torch.linspace(0.5, 2, TOKENS)[:, None]
        summed = torch.from_numpy(random(TOKENS, WIDTH, seed=1)) + torch.from_numpy(product) * scales + bias
        return F.layer_norm(summed, (WIDTH,), gain, shift, 1e-12)

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
        hidden, out, scales = self.run(random(TOKENS, WIDTH), "u1")
        back = (out.astype(np.float32) - kernels.ZERO_POINT) * scales[:, None]
        assert (np.abs(back - hidden) <= 0.501 * scales[:, None]).all()
        np.testing.assert_allclose(scales, np.abs(hidden).max(1) / 127, rtol=1e-6)

    @pytest.mark.parametrize("dtype", ["u1", "u2"])
    def test_a_row_without_numbers_stays_one_and_harms_no_other(self, dtype: str) -> None:
        product = random(TOKENS, WIDTH)
        broken = product.copy()
        broken[5, 7] = np.inf
        hidden, out, scales = self.run(product, dtype)
        spoilt, spoilt_out, spoilt_scales = self.run(broken, dtype)
        others = np.arange(TOKENS) != 5
        assert not np.isfinite(spoilt[5]).all()
        np.testing.assert_array_equal(spoilt[others], hidden[others])
        np.testing.assert_array_equal(spoilt_out[others], out[others])
        np.testing.assert_array_equal(spoilt_scales[others], scales[others])


class TestGelu:
    def test_eight_bits_are_at_most_half_a_step_off(self) -> None:
        product = random(TOKENS, WIDTH) * 4
        out, scales = outputs(TOKENS, WIDTH, "u1")
        bias, own = random(WIDTH, seed=1), np.full(TOKENS, 0.7, np.float32)
        kernels.gelu(product, own, bias, out, scales)
        back = torch.from_numpy(out.astype(np.float32) * scales[:, None] - np.float32(kernels.GELU_FLOOR))
        exact = F.gelu(torch.from_numpy(product * np.float32(0.7) + bias))
        assert ((back - exact).abs() <= 0.5 * torch.from_numpy(scales)[:, None] + 3e-4).all()

    def test_far_from_zero_it_is_zero_or_the_number(self) -> None:
        product = np.array([[-3e4, -50, -4, 0, 4, 50, 3e4]], np.float32)
        out, scales = outputs(1, 7, "u1")
        kernels.gelu(product, np.ones(1, np.float32), np.zeros(7, np.float32), out, scales)
        assert out[0].tolist() == [0, 0, 0, 0, 0, 0, 255]


class TestAttention:
    @pytest.mark.parametrize("first", [0, 3, 11])
    def test_split_lays_every_window_head_by_head(self, first: int) -> None:
        product, bias = random(TOKENS, 3 * WIDTH), random(3 * WIDTH, seed=1)
        scales = np.linspace(0.5, 2, TOKENS, dtype=np.float32)
        parts = [np.zeros(TOKENS * WIDTH, np.uint16) for _ in range(3)]
        for block in (slice(0, first), slice(first, TOKENS)):
            kernels.split(
                product[block], block.start, scales[block], bias, STARTS, HEADS, np.float32(0.5), *parts
            )
        whole = torch.from_numpy(product * scales[:, None] + bias).view(TOKENS, 3, HEADS, -1)
        for start, length in zip(STARTS, LENGTHS, strict=False):
            own = whole[start : start + length].permute(1, 2, 0, 3)
            for part, expected, factor in zip(parts, own, (0.5, 1, 1), strict=True):
                laid = numbers(part[start * WIDTH : (start + length) * WIDTH]).view(HEADS, length, -1)
                torch.testing.assert_close(laid, expected * factor, atol=1e-6, rtol=2**-8)

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
