"""What Numba lacks: a fused multiply-add, a square with Python's digits, a tuple with one item replaced."""

from __future__ import annotations

import math
from fractions import Fraction

from numba import config, types
from numba.cpython.unsafe.tuple import tuple_setitem
from numba.extending import intrinsic

from fastgd.kernels._jit import kernel


@intrinsic
def _llvm_fma(typing_context, a, b, c):
    def code(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), code


def _exact_fma(a, b, c):
    """The same where kernels run as Python functions."""
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return a * b + c
    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def _with_item(items, index, value):
    return (*items[:index], value, *items[index + 1 :])


fma = _exact_fma if config.DISABLE_JIT else _llvm_fma
"""a·b + c, rounded once."""

with_item = _with_item if config.DISABLE_JIT else tuple_setitem
"""with_item(items, index, value): the tuple with one item replaced; in a loop over its length, registers."""


@kernel
def square(r, two):
    """r ** 2 with the digits of Python's, which asks the C library's pow; `two` is 2.0.

    pow rounds wrongly only where r·r lies within a twentieth of an ulp of the middle between two
    numbers, and so differs from the product in one of about 1200 numbers. There, and where the
    product's error cannot be told (tiny, overflowing or NaN), pow is called; with a power known
    at compile time the compiler would put the product in its place.
    """
    product = r * r
    ulp = (product + product * _JUST_OVER_HALF_EPS) - product
    if product > 1e-280 and abs(fma(r, r, -product)) < 0.45 * ulp:
        return product
    return r**two


_JUST_OVER_HALF_EPS = 2.0**-53 * (1.0 + 2.0**-52)
