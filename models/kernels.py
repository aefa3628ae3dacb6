"""What lies between two matrix products, each as one pass over the numbers: compiled, for CPUs.

A library of layers makes a pass for every step (add, norm, maximum, scale, round); in 8 bits these passes
would cost as much as the products. Rows are tokens. A product's numbers come as fp32, or as bf16 in uint16
arrays; inputs of the next product go out as uint8 (one scale a row), bf16 or fp32, by the array's own type.
Every row is computed alone, so a token gets the same bits whatever else is in its batch.

Products of fp32 and bf16 numbers come with `scales` of ones: only 8-bit inputs have a scale of their own.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator,no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

f4, i4, u4 = np.float32, np.int32, np.uint32

ZERO_POINT = 128
"""The uint8 that stands for 0, but for what `gelu` writes."""
GELU_FLOOR = 0.17
"""GELU is never below -0.16997: what `gelu` writes as uint8 stands for numbers from -0.17 up."""

_HALF, _ONE, _LEAST = f4(0.5), f4(1), f4(1e-20)
_SHIFT, _MAGNITUDE = i4(16), i4(0x7FFFFFFF)
_FLOOR, _STEPS, _BYTES = f4(GELU_FLOOR), f4(127), f4(255)
_CENTRE = f4(ZERO_POINT + 0.5)

compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz", "arcp", "contract", "afn"}
)


def _bits_to_float(_, bits):
    return types.float32(types.int32), lambda _, build, __, args: build.bitcast(args[0], ir.FloatType())


def _float_to_bits(_, number):
    return types.int32(types.float32), lambda _, build, __, args: build.bitcast(args[0], ir.IntType(32))


_float: Any = intrinsic(_bits_to_float)
_bits: Any = intrinsic(_float_to_bits)


def _like(number, out):
    """fp32 → what the array `out` holds: fp32, or bf16."""


@overload(_like, inline="always")
def _(number, out):
    if out.dtype == types.float32:
        return lambda number, out: number
    return lambda number, out: np.uint16((_bits(number) + i4(0x8000)) >> _SHIFT)


def _read(number):
    """A number of a product, as fp32."""


@overload(_read, inline="always")
def _(number):
    if isinstance(number, types.Float):
        return lambda number: number
    return lambda number: _float(i4(number) << _SHIFT)


def _write(row, largest, out, scales, i):
    """A row of fp32, whose largest magnitude has the bits `largest` → row `i` of the next product's input."""


@overload(_write)
def _(row, largest, out, scales, i):
    if out.dtype == types.uint8:

        def quantise(row, largest, out, scales, i):
            scale = max(_float(largest), _LEAST) / _STEPS
            scales[i] = scale
            inverse = _ONE / scale
            to = out[i]
            for j in range(len(row)):
                to[j] = np.uint8(i4(row[j] * inverse + _CENTRE))

        return quantise

    def copy(row, largest, out, scales, i):
        to = out[i]
        for j in range(len(row)):
            to[j] = _like(row[j], to)

    return copy


@compiled
def norm(hidden, product, scales, bias, gain, shift, epsilon, out, out_scales):
    """hidden ← layer norm of (hidden + product · scales + bias), rows of [tokens, width]; also to `out`.

    `scales` and `out_scales` [tokens]: of the product's input, and of `out`; `bias`, `gain`, `shift` [width].
    """
    count, width = hidden.shape
    for i in range(count):
        row, added, scale = hidden[i], product[i], scales[i]
        total = f4(0)
        for j in range(width):
            number = row[j] + _read(added[j]) * scale + bias[j]
            row[j] = number
            total += number
        mean = total / f4(width)
        square = f4(0)
        for j in range(width):
            off = row[j] - mean
            square += off * off
        inverse = _ONE / np.sqrt(square / f4(width) + epsilon)
        largest = i4(0)  # bits of positive floats are in the order of the floats
        for j in range(width):
            number = (row[j] - mean) * inverse * gain[j] + shift[j]
            row[j] = number
            largest = max(largest, _bits(number) & _MAGNITUDE)
        _write(row, largest, out, out_scales, i)


# --- GELU ------------------------------------------------------------------------------------------

_LIMIT = f4(3.8)
_C0, _C1, _C2, _C3 = f4(0.799066484), f4(-0.133343875), f4(0.0193747785), f4(-0.00199994491)
_C4, _C5, _C6 = f4(0.000134401998), f4(-5.16444879e-06), f4(8.49583728e-08)


@compiled
def _gelu(x):
    """x · Φ(x). Φ by an odd polynomial: 3e-4 off at most, below a step of 8 bits."""
    c = min(max(x, -_LIMIT), _LIMIT)
    u = c * c
    half = _HALF * x
    number = half + half * (((((((_C6 * u + _C5) * u + _C4) * u + _C3) * u + _C2) * u + _C1) * u + _C0) * c)
    return max(number, -_FLOOR)


@compiled
def gelu(product, scales, bias, out, out_scales):
    """GELU of (product · scales + bias), [tokens, inner] → `out` uint8, which counts from `GELU_FLOOR`."""
    for i in range(len(product)):
        row, scale, to = product[i], scales[i], out[i]
        largest = i4(0)  # GELU rises where it is positive: its largest is that of the largest
        for j in range(len(row)):
            largest = max(largest, _bits(_read(row[j]) * scale + bias[j]))
        step = (_gelu(_float(largest)) + _FLOOR) / _BYTES
        out_scales[i] = step
        inverse = _ONE / step
        base = _FLOOR * inverse + _HALF
        for j in range(len(row)):
            to[j] = np.uint8(u4(i4(_gelu(_read(row[j]) * scale + bias[j]) * inverse + base)))


# --- attention -------------------------------------------------------------------------------------


@compiled
def split(product, first, scales, bias, starts, heads, factor, query, key, value):
    """Rows `first`… of query, key and value [tokens, 3 · width] → each apart, window by window.

    `starts` [windows + 1]: where each window's tokens start; a window of n tokens has its
    [heads, n, width / heads] from `starts` · width on in `query`, `key`, `value`. Queries are multiplied by
    `factor`.
    """
    width = len(bias) // 3
    size = width // heads
    window = np.searchsorted(starts, first, side="right") - 1
    for t in range(len(product)):
        token = first + t
        while token >= starts[window + 1]:
            window += 1
        start = starts[window]
        length = starts[window + 1] - start
        row, scale = product[t], scales[t]
        for head in range(heads):
            at = start * width + (head * length + token - start) * size
            q, k, v = head * size, width + head * size, 2 * width + head * size
            _place(row[q : q + size], scale, bias[q : q + size], factor, query[at : at + size])
            _place(row[k : k + size], scale, bias[k : k + size], _ONE, key[at : at + size])
            _place(row[v : v + size], scale, bias[v : v + size], _ONE, value[at : at + size])


@compiled
def _place(row, scale, bias, factor, out):
    for j in range(len(row)):
        out[j] = _like((_read(row[j]) * scale + bias[j]) * factor, out)


@compiled
def softmax(scores, inverse_sums):
    """2 ** (scores - row's largest), [rows, keys] in place; 1 / its sum → `inverse_sums` [rows]."""
    for i in range(len(scores)):
        row = scores[i]
        top = _top(row)
        total = f4(0)
        for j in range(len(row)):
            power = _power_of_two(_read(row[j]) - top, row)
            total += power
            row[j] = _like(power, row)
        inverse_sums[i] = _ONE / total


@compiled
def _top(row):
    """The largest of a row. Floats, negative ones turned round, are in the order of integers."""
    largest = i4(-0x7FFFFFFF)
    for j in range(len(row)):
        bits = _bits(_read(row[j]))
        largest = max(largest, bits ^ ((bits >> i4(31)) & _MAGNITUDE))
    return _float(largest ^ ((largest >> i4(31)) & _MAGNITUDE))


def _power_of_two(x, row):
    """2 ** x for x ≤ 0, as exact as the row that takes it: to 1e-4 for bf16, else to 1e-7; NaN for NaN."""


@overload(_power_of_two, inline="always")
def _(x, row):
    if row.dtype == types.float32:
        return lambda x, row: _power(x, _exact)
    return lambda x, row: _power(x, _near)


@compiled
def _power(x, polynomial):
    held = max(x, f4(-126))
    whole = i4(held - _HALF)
    return polynomial(held - f4(whole)) * _float((whole + i4(127)) << i4(23))


@compiled
def _near(x):
    """2 ** x for |x| ≤ ½."""
    return ((f4(0.0558) * x + f4(0.24022651)) * x + f4(0.69314718)) * x + _ONE


@compiled
def _exact(x):
    """2 ** x for |x| ≤ ½: its series."""
    high = (f4(1.5252734e-5) * x + f4(1.5403530e-4)) * x + f4(1.3333558e-3)
    return (((high * x + f4(9.6181291e-3)) * x + f4(5.5504109e-2)) * x + f4(2.4022651e-1)) * x * x + (
        f4(6.9314718e-1) * x + _ONE
    )


@compiled
def merge(attended, inverse_sums, starts, heads, out, scales, row):
    """Attended values, laid as `split` does, each row times its inverse sum → `out` [tokens, width].

    `inverse_sums`: a window of n tokens has its [heads, n] from `starts` · heads on. `row` [width]: scratch.
    """
    width = len(row)
    size = width // heads
    for window in range(len(starts) - 1):
        start = starts[window]
        length = starts[window + 1] - start
        for i in range(length):
            largest = i4(0)
            for head in range(heads):
                at = start * width + (head * length + i) * size
                values, part = attended[at : at + size], row[head * size : (head + 1) * size]
                inverse = inverse_sums[start * heads + head * length + i]
                for j in range(size):
                    number = _read(values[j]) * inverse
                    part[j] = number
                    largest = max(largest, _bits(number) & _MAGNITUDE)
            _write(row, largest, out, scales, start + i)
