"""`value(loss, score, y)` and `slope(loss, score, y)` in kernels, by the type of the loss.

A loss is a named tuple of `fastgd/losses.py`; its type is part of a kernel's signature, so that each loss
has its own machine code and that is found on disk by the next process. A loss of the user's own brings
its functions, and its machine code stays in this process.
"""

from __future__ import annotations

import math

import numba
from numba import types
from numba.extending import overload

from fastgd import losses
from fastgd.kernels._jit import CONTRACT, kernel


def value(loss, score, y):
    """The loss of one sample."""
    return loss.value(score, y)


def slope(loss, score, y):
    """∂loss/∂score of one sample."""
    return loss.slope(score, y)


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
    return positive - y * score + math.log1p(math.exp(-abs(score)))


@kernel(fastmath=CONTRACT)
def log_slope(loss, score, y):
    e = math.exp(-abs(score))
    return (1.0 if score >= 0.0 else e) / (1.0 + e) - y


@kernel(fastmath=CONTRACT)
def quantile_value(loss, score, y):
    r = y - score
    return loss.quantile * r if r > 0.0 else (loss.quantile - 1.0) * r


@kernel(fastmath=CONTRACT)
def quantile_slope(loss, score, y):
    if score == y:
        return 0.0
    return -loss.quantile if y > score else 1.0 - loss.quantile


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
        return numba.njit(nogil=True, error_model="numpy")(method)
    function = numba.njit(nogil=True, error_model="numpy")(method.__func__)
    return numba.njit(nogil=True, error_model="numpy")(lambda loss, score, y: function(score, y))


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
