"""`value(loss, score, y)` and `slope(loss, score, y)` for kernels, chosen by the type of the loss.

A loss is a named tuple of `fastgd/losses.py`, and its methods are compiled here. Its type is part of a
kernel's signature, so each loss has its own machine code. The machine code of built-in losses is kept on
disk; that of a user's own loss lasts as long as the process.

The helpers square, exp, exp_of_negative and log1p_of_part of `fastgd/losses.py` have their compiled forms
here. They have no branches and no calls, so the compiler vectorises loops over samples, eight at a time.
"""

from __future__ import annotations

import math
import struct

import numba
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic, overload

from fastgd import losses
from fastgd.kernels._jit import CONTRACT, kernel

PER_LN_2 = 1.4426950408889634
LN_2, LN_2_REST = 0.6931471805598903, 5.497923018708371e-14
"""ln 2 in two parts. Products of the first part with integers below 2048 are exact."""
ROUND = 1.5 * 2.0**52 + 1023.0
"""Added to a small x, it rounds x to the nearest integer n. The last bits of the sum are n + 1023."""
LEAST = -708.0
"""exp(x) is set to 0 for smaller x, since it would be subnormal."""


def value(loss, score, y):
    """The loss of one sample."""
    return loss.value(score, y)


def slope(loss, score, y):
    """∂loss/∂score of one sample."""
    return loss.slope(score, y)


@intrinsic
def _llvm_power_of_two(typing_context, shifted):
    def code(context, builder, signature, arguments):
        whole = builder.bitcast(arguments[0], ir.IntType(64))
        return builder.bitcast(builder.shl(whole, ir.IntType(64)(52)), ir.DoubleType())

    return types.float64(types.float64), code


def _plain_power_of_two(shifted):
    (whole,) = struct.unpack("<Q", struct.pack("<d", shifted))
    return struct.unpack("<d", struct.pack("<Q", whole << 52 & (1 << 64) - 1))[0]


power_of_two = _plain_power_of_two if config.DISABLE_JIT else _llvm_power_of_two
"""power_of_two(ROUND + n) is 2ⁿ. The last twelve bits of the argument, n + 1023, become the exponent."""


@kernel(fastmath=CONTRACT)
def exp_of_negative(x):
    """exp(x) for x <= 0, within 1.1 ulp: exp(r)·2ⁿ with x = n ln 2 + r and |r| <= ln(2)/2.

    The compiler must not regroup: n comes from rounding, and r is a difference of nearly equal numbers.
    """
    shifted = x * PER_LN_2 + ROUND
    n = shifted - ROUND
    r = (x - n * LN_2) - n * LN_2_REST
    # (exp(r) − 1 − r)/r² by the Remez algorithm; error 4e-18, relative to exp(r).
    q = 2.5000059256054842e-08
    q = q * r + 2.7630248379742436e-07
    q = q * r + 2.7557586380882427e-06
    q = q * r + 2.480149309892918e-05
    q = q * r + 0.0001984126950657133
    q = q * r + 0.001388888894363005
    q = q * r + 0.008333333333494465
    q = q * r + 0.04166666666653016
    q = q * r + 0.16666666666666413
    q = q * r + 0.5000000000000011
    power = (1.0 + (r + (r * r) * q)) * power_of_two(shifted)
    return 0.0 if x < LEAST else power


@kernel(fastmath=CONTRACT)
def log1p_of_part(e):
    """log1p(e) for 0 <= e <= 1, within 1.1 ulp: 2 artanh(z) with z = e/(2 + e).

    The form e − z (e − 2 z² (1/3 + z²/5 + …)) makes the rounding error of z small in the result.
    """
    z = e / (2.0 + e)
    s = z * z
    # 2 (artanh(z)/z − 1)/z² in s = z² <= 1/9 by the Remez algorithm; error 2e-18, relative to log1p(e).
    p = 0.17018584258267752
    p = p * s + 0.08340096705329163
    p = p * s + 0.12106087338682538
    p = p * s + 0.13300973452667259
    p = p * s + 0.15386559932739
    p = p * s + 0.18181743924509786
    p = p * s + 0.22222223969741245
    p = p * s + 0.28571428547853767
    p = p * s + 0.40000000000157243
    p = p * s + 0.6666666666666631
    return e - z * (e - s * p)


@kernel(fastmath=CONTRACT)
def exp(x):
    """exp(x), or infinity for x above `losses.MOST_EXPONENT`."""
    return math.inf if x > losses.MOST_EXPONENT else exp_of_negative(x)


# Forced inlining lets value and slope at one score share their exponential.
INLINED = {"forceinline": True, "fastmath": set(CONTRACT), "error_model": "numpy"}


@overload(losses.exp, jit_options=INLINED)
def _exp(x):
    return lambda x: exp(x)


@overload(losses.square, jit_options=INLINED)
def _square(x):  # not x**2: Numba compiles a power once, with the fastmath flags of its first caller
    return lambda x: x * x


@overload(losses.exp_of_negative, jit_options=INLINED)
def _exp_of_negative(x):
    return lambda x: exp_of_negative(x)


@overload(losses.log1p_of_part, jit_options=INLINED)
def _log1p_of_part(e):
    return lambda e: log1p_of_part(e)


_compiled: dict[type, tuple] = {}
"""The compiled (value, slope) of each type of loss."""


def _functions(loss):
    """The compiled (value, slope) of this type of loss."""
    kind = loss.instance_class
    if kind not in _compiled:
        compile_one = _own if losses.OWN in kind.__name__ else kernel(fastmath=CONTRACT)
        _compiled[kind] = tuple(compile_one(vars(kind)[name]) for name in ("value", "slope"))
    return _compiled[kind]


def _own(method):
    if not isinstance(method, staticmethod):
        return numba.njit(nogil=True, error_model="numpy", fastmath=False)(method)
    function = numba.njit(nogil=True, error_model="numpy", fastmath=False)(method.__func__)
    return numba.njit(nogil=True, error_model="numpy", fastmath=False)(
        lambda _loss, score, y: function(score, y)
    )


@overload(value, jit_options=INLINED)
def _value(loss, score, y):
    if isinstance(loss, types.BaseNamedTuple):
        compiled = _functions(loss)[0]
        return lambda loss, score, y: compiled(loss, score, y)
    return None


@overload(slope, jit_options=INLINED)
def _slope(loss, score, y):
    if isinstance(loss, types.BaseNamedTuple):
        compiled = _functions(loss)[1]
        return lambda loss, score, y: compiled(loss, score, y)
    return None
