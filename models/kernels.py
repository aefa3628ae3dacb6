"""What lies between two matrix products, each as one pass over the numbers: compiled, for CPUs.

A library of layers makes a pass for every step (add, norm, maximum, scale, round); in 8 bits these passes
would cost as much as the products. Rows are tokens. A product's numbers come as fp32, or as bf16 in uint16
arrays; inputs of the next product go out as uint8, bf16 or fp32, by the array's own type. Every row is
computed alone, so a token gets the same bits whatever else is in its batch.

A row of uint8 stands for `base + step · row`; its `steps` [2] are step and base. The product that it goes
into takes `zero` off first, so it stands for `step · product + (base + zero · step) · sums + bias`, where
`sums` [outputs] are the weights of each output added up. Products of fp32 and bf16 come with steps of one,
bases and zeros of zero.
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

_HALF, _ONE, _LEAST, _BYTES = f4(0.5), f4(1), f4(1e-20), f4(255)
_SHIFT, _MAGNITUDE = i4(16), i4(0x7FFFFFFF)
_FLOOR = f4(-0.17)
"""GELU is never below -0.16997."""

# Not "arcp" nor "afn": with them what is compiled anew and what comes from numba's cache round differently.
compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"}
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


@compiled
def _turned(bits):
    """Bits of a float, negative ones turned round: integers in the order of the floats. Its own inverse."""
    return bits ^ ((bits >> i4(31)) & _MAGNITUDE)


@compiled
def _top(row):
    """The largest of a row."""
    largest = -_MAGNITUDE
    for j in range(len(row)):
        largest = max(largest, _turned(_bits(_read(row[j]))))
    return _float(_turned(largest))


@compiled
def _bottom(row):
    least = _MAGNITUDE
    for j in range(len(row)):
        least = min(least, _turned(_bits(_read(row[j]))))
    return _float(_turned(least))


def _write(row, out, steps, i):
    """A row of fp32 → row `i` of the next product's input."""


@overload(_write)
def _(row, out, steps, i):
    if out.dtype == types.uint8:

        def quantise(row, out, steps, i):
            base = _bottom(row)
            step = max(_top(row) - base, _LEAST) / _BYTES
            steps[i, 0], steps[i, 1] = step, base
            inverse = _ONE / step
            to = out[i]
            for j in range(len(row)):
                to[j] = np.uint8(u4(i4((row[j] - base) * inverse + _HALF)))

        return quantise

    def copy(row, out, steps, i):
        to = out[i]
        for j in range(len(row)):
            to[j] = _like(row[j], to)

    return copy


@compiled
def norm(hidden, product, steps, zero, sums, bias, gain, shift, epsilon, out, out_steps):
    """hidden ← layer norm of (hidden + what `product` stands for), rows of [tokens, width]; also to `out`.

    `steps` and `out_steps` [tokens, 2]: of the product's input, and of `out`; the vectors [width].
    """
    count, width = hidden.shape
    for i in range(count):
        row, added, step = hidden[i], product[i], steps[i, 0]
        base = steps[i, 1] + zero * step
        total = f4(0)
        for j in range(width):
            number = row[j] + _read(added[j]) * step + (base * sums[j] + bias[j])
            row[j] = number
            total += number
        mean = total / f4(width)
        square = f4(0)
        for j in range(width):
            off = row[j] - mean
            square += off * off
        inverse = _ONE / np.sqrt(square / f4(width) + epsilon)
        for j in range(width):
            row[j] = (row[j] - mean) * inverse * gain[j] + shift[j]
        _write(row, out, out_steps, i)


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
    return max(number, _FLOOR)


@compiled
def gelu(product, steps, zero, sums, bias, out, out_steps):
    """GELU of what `product` [tokens, inner] stands for → `out` uint8."""
    for i in range(len(product)):
        row, step, to = product[i], steps[i, 0], out[i]
        base = steps[i, 1] + zero * step
        largest = i4(0)  # GELU rises where it is positive: its largest is that of the largest
        for j in range(len(row)):
            largest = max(largest, _bits(_read(row[j]) * step + (base * sums[j] + bias[j])))
        out_step = (_gelu(_float(largest)) - _FLOOR) / _BYTES
        out_steps[i, 0], out_steps[i, 1] = out_step, _FLOOR
        inverse = _ONE / out_step
        offset = _HALF - _FLOOR * inverse
        for j in range(len(row)):
            number = _gelu(_read(row[j]) * step + (base * sums[j] + bias[j]))
            to[j] = np.uint8(u4(i4(number * inverse + offset)))


# --- attention -------------------------------------------------------------------------------------


@compiled
def split(product, first, steps, zero, sums, bias, starts, heads, row, query, key, value):
    """Rows `first`… of query, key and value [tokens, 3 · width] → each apart, window by window.

    `starts` [windows + 1]: where each window's tokens start; a window of n tokens has its
    [heads, n, width / heads] from `starts` · width on in `query`, `key`, `value`. `row` [3 · width]: scratch
    of their type.
    """
    width = len(row) // 3
    size = width // heads
    window = np.searchsorted(starts, first, side="right") - 1
    for t in range(len(product)):
        token = first + t
        while token >= starts[window + 1]:
            window += 1
        step, given = steps[t, 0], product[t]
        base = steps[t, 1] + zero * step
        for j in range(len(row)):
            row[j] = _like(_read(given[j]) * step + (base * sums[j] + bias[j]), row)
        start = starts[window]
        length = starts[window + 1] - start
        for head in range(heads):
            at = start * width + (head * length + token - start) * size
            part = head * size
            _copy(row[part : part + size], query[at : at + size])
            _copy(row[part + width : part + width + size], key[at : at + size])
            _copy(row[part + 2 * width : part + 2 * width + size], value[at : at + size])


@compiled
def _copy(row, out):
    for j in range(len(row)):  # four times as fast as assigning to the whole
        out[j] = row[j]


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
def merge(attended, inverse_sums, starts, heads, out, steps, row):
    """Attended values, laid as `split` does, each row times its inverse sum → `out` [tokens, width].

    `inverse_sums`: a window of n tokens has its [heads, n] from `starts` · heads on. `row` [width]: scratch.
    """
    width = len(row)
    size = width // heads
    for window in range(len(starts) - 1):
        start = starts[window]
        length = starts[window + 1] - start
        for i in range(length):
            for head in range(heads):
                at = start * width + (head * length + i) * size
                values, part = attended[at : at + size], row[head * size : (head + 1) * size]
                inverse = inverse_sums[start * heads + head * length + i]
                for j in range(size):
                    part[j] = _read(values[j]) * inverse
            _write(row, out, steps, start + i)
