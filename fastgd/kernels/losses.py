"""`value(loss, score, y)` and `slope(loss, score, y)` in kernels, by the type of the loss.

A loss is a named tuple of `fastgd/losses.py`; its type is part of a kernel's signature, so that each loss
has its own machine code and that is found on disk by the next process. A loss of the user's own brings
its functions, and its machine code stays in this process.

The named ones have no branch and call nothing: where two formulas meet, both are worked out and one is
chosen, so that a loop over samples takes eight at a time. That is why exp and log1p stand here too.
"""

from __future__ import annotations

import struct

import numba
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic, overload

from fastgd import losses
from fastgd.kernels._jit import CONTRACT, kernel

PER_LN_2 = 1.4426950408889634
LN_2, LN_2_REST = 0.6931471805598903, 5.497923018708371e-14
"""ln 2 in two parts; the first has so few bits that its products with whole numbers below 2048 are exact."""
ROUND = 1.5 * 2.0**52 + 1023.0
"""Added to a small number it leaves no room for a fraction: the last bits of the sum are the nearest whole
number and 1023."""
LEAST = -708.0
"""exp of less is taken as 0: it has no normal number."""


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
"""2ⁿ of ROUND + n: the last twelve bits of it, n + 1023, are moved to the exponent's place."""


@kernel(fastmath=CONTRACT)
def exp_of_negative(x):
    """exp(x) of x <= 0, within 1.1 ulp: exp(r)·2ⁿ where x = n ln 2 + r and |r| <= ln(2)/2.

    Not regrouped by the compiler: n is had by rounding, and r as a difference of near numbers.
    """
    shifted = x * PER_LN_2 + ROUND
    n = shifted - ROUND
    r = (x - n * LN_2) - n * LN_2_REST
    # (exp(r) − 1 − r)/r²: Remez, relative to exp(r); 4e-18.
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
    """log1p(e) of 0 <= e <= 1, within 1.1 ulp: 2 artanh(z), z = e/(2 + e).

    As e − z (e − 2 z² (1/3 + z²/5 + …)): what z is rounded by counts little.
    """
    z = e / (2.0 + e)
    s = z * z
    # 2 (artanh(z)/z − 1)/z² in s = z² <= 1/9: Remez, relative to log1p; 2e-18.
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
def squared_value(loss, score, y):
    r = score - y
    return r * r


@kernel(fastmath=CONTRACT)
def squared_slope(loss, score, y):
    return 2.0 * (score - y)


@kernel(fastmath=CONTRACT)
def huber_value(loss, score, y):
    size = abs(score - y)
    inner = size if size <= loss.delta else loss.delta
    return inner * (2.0 * size - inner)


@kernel(fastmath=CONTRACT)
def huber_slope(loss, score, y):
    r = score - y
    most = loss.delta
    r = most if r > most else r
    r = -most if r < -most else r
    return 2.0 * r


@kernel(fastmath=CONTRACT)
def log_value(loss, score, y):
    positive = score if score > 0.0 else 0.0
    return (positive - y * score) + log1p_of_part(exp_of_negative(-abs(score)))


@kernel(fastmath=CONTRACT)
def log_slope(loss, score, y):
    """1/(1 + exp(−score)) − y; by the smaller of the two probabilities, for the digits of the small ones."""
    e = exp_of_negative(-abs(score))
    rare = e / (1.0 + e)
    return (1.0 - y) - rare if score > 0.0 else rare - y


@kernel(fastmath=CONTRACT)
def quantile_value(loss, score, y):
    r = y - score
    return (loss.quantile if r > 0.0 else loss.quantile - 1.0) * r


@kernel(fastmath=CONTRACT)
def quantile_slope(loss, score, y):
    slope = -loss.quantile if y > score else 1.0 - loss.quantile
    return 0.0 if score == y else slope


_COMPILED = {
    losses.SquaredError: (squared_value, squared_slope),
    losses.Huber: (huber_value, huber_slope),
    losses.LogLoss: (log_value, log_slope),
    losses.Quantile: (quantile_value, quantile_slope),
}


def _functions(loss):
    """The compiled (value, slope) of this type of loss; a user's own are compiled now."""
    kind = loss.instance_class
    if kind not in _COMPILED:
        _COMPILED[kind] = tuple(_own(vars(kind)[name]) for name in ("value", "slope"))
    return _COMPILED[kind]


def _own(method):
    if not isinstance(method, staticmethod):
        return numba.njit(nogil=True, error_model="numpy", fastmath=False)(method)
    function = numba.njit(nogil=True, error_model="numpy", fastmath=False)(method.__func__)
    return numba.njit(nogil=True, error_model="numpy", fastmath=False)(
        lambda _loss, score, y: function(score, y)
    )


@overload(value)
def _value(loss, score, y):
    if isinstance(loss, types.BaseNamedTuple):
        compiled = _functions(loss)[0]
        return lambda loss, score, y: compiled(loss, score, y)
    return None


@overload(slope)
def _slope(loss, score, y):
    if isinstance(loss, types.BaseNamedTuple):
        compiled = _functions(loss)[1]
        return lambda loss, score, y: compiled(loss, score, y)
    return None
