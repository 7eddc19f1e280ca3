"""Operations that Numba lacks: fused multiply-add, a square with Python's digits, replacing a tuple's
item."""

from __future__ import annotations

from numba import config, types
from numba.cpython.unsafe.tuple import tuple_setitem
from numba.extending import intrinsic

from fastgd import reference
from fastgd.kernels._jit import kernel


@intrinsic
def _llvm_fma(typing_context, a, b, c):
    def code(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), code


def _with_item(items, index, value):
    return (*items[:index], value, *items[index + 1 :])


fma = reference.fma if config.DISABLE_JIT else _llvm_fma
"""a·b + c, rounded once."""

with_item = _with_item if config.DISABLE_JIT else tuple_setitem
"""with_item(items, index, value) returns the tuple with one item replaced. In an unrolled loop the items are
registers."""


@kernel
def square(r, two):
    """r ** 2 with Python's digits. Python calls pow of the C library. `two` must be 2.0.

    pow rounds wrongly only if r·r lies within a twentieth of an ulp of the middle between two floats. So it
    differs from the product for about one number in 1200. This function calls pow near such a middle, and if
    the error of the product is unknown (tiny, overflowing or NaN). `two` is an argument since the compiler
    replaces pow with a constant power by the product.
    """
    product = r * r
    ulp = (product + product * _JUST_OVER_HALF_EPS) - product
    if product > 1e-280 and abs(fma(r, r, -product)) < 0.45 * ulp:
        return product
    return r**two


_JUST_OVER_HALF_EPS = 2.0**-53 * (1.0 + 2.0**-52)
