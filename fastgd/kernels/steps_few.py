"""A few SGD steps taken together, and the slope of the log loss from a table. Used by `steps.run_blocked`.

Number the rows i and j from 0 to m − 1, start from w₀ and b₀, and let ρ = 1 − α l2. Then

    x_i·w + b = ρ^i x_i·w₀ + b₀ − α Σ_{j<i} (ρ^{i−1−j} x_i·x_j + 1) φ_j,
            w = ρ^m w₀ − α Σ ρ^{m−1−j} φ_j x_j.

These are the same steps (J. Benesty and P. Duhamel, "A fast exact least mean square adaptive algorithm", IEEE
Trans. Signal Processing 40(12), 1992). The long sums do not wait for each other. Each row waits only for one
slope and one multiply-add, so `short_slope` is fast. In the code f is −α s φ and r is −α s. The products
x_i·x_j are multiplied by r while φ is computed.

The steps leave the memory idle, so the kernels prefetch later rows.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from fastgd import losses
from fastgd.kernels._jit import CONTRACT, FAST, kernel
from fastgd.kernels.losses import slope
from fastgd.kernels.vectors import (
    LANES,
    line_of,
    load,
    load_part,
    multiply_add,
    prefetch,
    splat,
    store,
    total,
)

PER_UNIT = 8
PLACES = 256


def _sigmoid_near(places, per_unit):
    """Coefficients of the polynomials that approximate 1/(1 + exp(−c − r)), for c = k/per_unit in row k.

    Row k holds powers of r and is valid for |r| <= h = 1/(2·per_unit). The coefficients are Taylor's, from σ'
    = σ − σ²: (n + 1) a_{n+1} = a_n − Σ a_i a_{n−i}. The powers 8 and 9 are replaced by lower ones with
    Chebyshev's T₈ and T₉. For c > 0, σ(c + r) = 1 − σ(−c − r).
    """
    c = np.arange(places + 1) / per_unit
    a = np.zeros((10, places + 1))
    a[0] = np.exp(-c) / (1.0 + np.exp(-c))
    a[1] = a[0] / (1.0 + np.exp(-c))
    for n in range(1, 9):
        a[n + 1] = (a[n] - sum(a[i] * a[n - i] for i in range(n + 1))) / (n + 1)
    h = 0.5 / per_unit
    for power, shares in ((8, (-1 / 128, 1 / 4, -5 / 4, 2)), (9, (-9 / 256, 15 / 32, -27 / 16, 9 / 4))):
        for n, share in zip(range(power - 8, power, 2), shares, strict=True):
            a[n] += share * h ** (power - n) * a[power]
    table = np.empty((2 * places, 8))
    table[-np.arange(1, places + 1)] = a[:8, 1:].T
    table[:places] = -a[:8, :places].T * (-1.0) ** np.arange(8)
    table[:places, 0] += 1.0
    return table


SIGMOID = _sigmoid_near(PLACES, PER_UNIT)
TO_PLACE = 1.5 * 2.0**52 / PER_UNIT
"""Added to a small score, it rounds the score to a multiple of 1/PER_UNIT. The last bits of the sum are the
row of the table."""


def _log_slope(loss, score, y):
    """1/(1 + exp(−score)) − y from a table, with half the latency of exp and a division.

    The error is within 4e-16, and for y = 0 within 8e-16 of the value. Outside the table `log_slope` is
    called.
    """
    if not abs(score) < (PLACES - 1) / PER_UNIT:
        return slope(loss, score, y)
    shifted = np.float64(score + TO_PLACE)
    k = shifted.view(np.int64) & (2 * PLACES - 1)
    r = score - (shifted - TO_PLACE)
    r_2 = r * r
    low = (SIGMOID[k, 0] - y) + SIGMOID[k, 1] * r
    middle = SIGMOID[k, 2] + SIGMOID[k, 3] * r
    high = (SIGMOID[k, 4] + SIGMOID[k, 5] * r) + r_2 * (SIGMOID[k, 6] + SIGMOID[k, 7] * r)
    return (low + r_2 * middle) + (r_2 * r_2) * high


def short_slope(loss, score, y):
    """`slope` with low latency, for callers that wait for its result."""
    return _log_slope(loss, score, y) if isinstance(loss, losses.LogLoss) else slope(loss, score, y)


# Inlined: a call takes a quarter of the time of a step. Contracted but not regrouped, as k comes from
# rounding.
@overload(short_slope, jit_options={"forceinline": True, "fastmath": set(CONTRACT), "error_model": "numpy"})
def _short_slope(loss, score, y):
    if loss.instance_class is losses.LogLoss:
        return _log_slope
    return lambda loss, score, y: slope(loss, score, y)


@kernel(fastmath=FAST)
def steps_by_four(X, y, weights, w, b, loss, rate, l2, with_intercept):
    """Step four rows at a time and prefetch rows 2 KB later. Returns the number of rows used."""
    d = X.shape[1]
    whole = len(y) - len(y) % 4
    x, line = X.reshape(-1), line_of(X)
    ahead = 32 * line + 4 * d
    weighted = len(weights) > 0
    one = 1.0 if with_intercept else 0.0
    rho = 1.0 - rate * l2
    rho_2, rho_3, rho_4 = rho * rho, rho * rho * rho, (rho * rho) * (rho * rho)
    ra = rb = rc = re = -rate
    intercept = b[0]
    for i in range(0, whole, 4):
        a, b_, c, e = X[i], X[i + 1], X[i + 2], X[i + 3]
        sa = intercept
        sb = sc = se = 0.0
        ab = ac = ae = bc = be = ce = 0.0
        for j in range(d):
            w_j, a_j, b_j = w[j], np.float64(a[j]), np.float64(b_[j])
            c_j, e_j = np.float64(c[j]), np.float64(e[j])
            sa += a_j * w_j
            sb += b_j * w_j
            sc += c_j * w_j
            se += e_j * w_j
            ab += a_j * b_j
            ac += a_j * c_j
            ae += a_j * e_j
            bc += b_j * c_j
            be += b_j * e_j
            ce += c_j * e_j
        for k in range(i * d + ahead, (i + 4) * d + ahead, line):
            prefetch(x, k)
        if weighted:
            ra, rb = -rate * weights[i], -rate * weights[i + 1]
            rc, re = -rate * weights[i + 2], -rate * weights[i + 3]
        ab, bc, ce = ra * (ab + one), rb * (bc + one), rc * (ce + one)
        ac, be, ae = ra * (rho * ac + one), rb * (rho * be + one), ra * (rho_2 * ae + one)
        sb, sc, se = rho * sb + intercept, rho_2 * sc + intercept, rho_3 * se + intercept
        fa = short_slope(loss, sa, np.float64(y[i]))
        fb = short_slope(loss, sb + ab * fa, np.float64(y[i + 1]))
        fc = short_slope(loss, (sc + ac * fa) + bc * fb, np.float64(y[i + 2]))
        fe = short_slope(loss, ((se + ae * fa) + be * fb) + ce * fc, np.float64(y[i + 3]))
        fa, fb, fc, fe = ra * fa, rb * fb, rc * fc, re * fe
        if with_intercept:
            intercept += ((fa + fb) + fc) + fe
        fa, fb, fc = rho_3 * fa, rho_2 * fb, rho * fc
        for j in range(d):
            w[j] = (rho_4 * w[j] + fa * a[j] + fb * b_[j] + fc * c[j]) + fe * e[j]
    b[0] = intercept
    return whole


@kernel(fastmath=FAST)
def steps_by_two(x, y, weights, d, w, b, loss, rate, l2, with_intercept):
    """Step two rows at a time and prefetch rows 1 KB later, evenly in both loops. x is (n·d,), w padded.
    Returns the number of rows used."""
    done = len(y) - len(y) % 2
    whole = d - d % LANES
    rest = d - whole
    ahead = 16 * line_of(x) + 2 * d
    weighted = len(weights) > 0
    one = 1.0 if with_intercept else 0.0
    rho = 1.0 - rate * l2
    v_rho, zero = splat(rho * rho), splat(0.0)
    ra = rb = -rate
    intercept = b[0]
    for i in range(0, done, 2):
        a, b_ = i * d, (i + 1) * d
        near, later = a + ahead, b_ + ahead
        sa = sb = sab = zero
        for j in range(0, whole, LANES):
            w_j, a_j, b_j = load(w, j), load(x, a + j), load(x, b_ + j)
            sa = multiply_add(a_j, w_j, sa)
            sb = multiply_add(b_j, w_j, sb)
            sab = multiply_add(a_j, b_j, sab)
            prefetch(x, near + j)
        if rest:
            w_j, a_j, b_j = load(w, whole), load_part(x, a + whole, rest), load_part(x, b_ + whole, rest)
            sa = multiply_add(a_j, w_j, sa)
            sb = multiply_add(b_j, w_j, sb)
            sab = multiply_add(a_j, b_j, sab)
        if weighted:
            ra, rb = -rate * weights[i], -rate * weights[i + 1]
        ab = ra * (total(sab) + one)
        fa = short_slope(loss, total(sa) + intercept, np.float64(y[i]))
        fb = short_slope(loss, (rho * total(sb) + intercept) + ab * fa, np.float64(y[i + 1]))
        fa, fb = ra * fa, rb * fb
        if with_intercept:
            intercept += fa + fb
        va, vb = splat(rho * fa), splat(fb)
        for j in range(0, whole, LANES):
            w_j = multiply_add(load(x, a + j), va, multiply_add(load(w, j), v_rho, zero))
            store(w, j, multiply_add(load(x, b_ + j), vb, w_j))
            prefetch(x, later + j)
        if rest:
            w_j = multiply_add(load_part(x, a + whole, rest), va, multiply_add(load(w, whole), v_rho, zero))
            store(w, whole, multiply_add(load_part(x, b_ + whole, rest), vb, w_j))
    b[0] = intercept
    return done
