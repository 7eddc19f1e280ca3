"""SGD steps for squared errors over a run of rows, in order. The state w is passed from run to run.

A step is w ← w − 2α x (x·w − y). The compiler may fuse multiply-adds and regroup the sum x·w. Each step waits
for the previous one, and for short rows this wait takes most of the time. So several rows are stepped
together. Let w be the state before the first of them and φ_j the factor of row j. Then

    φ_i = 2α (x_i·w − y_i − Σ_{j<i} (x_i·x_j) φ_j),    w ← w − Σ φ_i x_i.

These are the same steps, but their long sums do not wait for each other (J. Benesty and P. Duhamel, "A fast
exact least mean square adaptive algorithm", IEEE Trans. Signal Processing 40(12), 1992). The code solves for
φ from the last factor back, so that most products depend on x alone. With one column, steps are composed as
affine maps (S. Maleki, M. Musuvathi, T. Mytkowicz, "Parallel stochastic gradient descent with sound
combiners", arXiv 1705.08030).

The steps leave the memory idle, so the kernels prefetch later rows.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import CONTRACT, FAST, kernel
from fastgd.kernels.arithmetic import with_item
from fastgd.kernels.arrays import empty
from fastgd.kernels.vectors import (
    LANES,
    line_of,
    load,
    load_part,
    multiply_add,
    padded,
    prefetch,
    splat,
    store,
    total,
)

LEAF = 256
"""Rows whose maps are made together. They fit in the first-level cache."""

BY_FOUR = 48
"""With at most this many columns, four rows are stepped together; with more, two."""


@kernel
def run_1d(x, y, w, rate):
    """One column: a step is the map u ← a u + b with u = w − w_ref. Maps compose before w is known.

    w_ref is w at the start of the leaf. So a weight that fits exactly does not move, as in the plain loop.
    """
    a, b = empty(LEAF), empty(LEAF)
    for start in range(0, len(x), LEAF):
        xs, ys = x[start : start + LEAF], y[start : start + LEAF]
        maps_of_steps(xs, ys, w[0], 2.0 * rate, a, b)
        moved = apply_maps(a[: len(xs)], b[: len(xs)])
        if math.isfinite(moved):
            w[0] += moved
        else:  # the product of the maps overflowed; the steps may not
            plain_steps(xs, ys, w, 2.0 * rate)


@kernel(fastmath=CONTRACT)
def maps_of_steps(x, y, reference, twice_rate, a, b):
    """a_i = 1 − 2α x_i², b_i = 2α x_i (y_i − x_i w_ref)."""
    for i in range(len(x)):
        x_i = np.float64(x[i])
        scaled = twice_rate * x_i
        a[i] = 1.0 - scaled * x_i
        b[i] = scaled * (y[i] - x_i * reference)


@kernel(fastmath=CONTRACT)
def apply_maps(a, b):
    """Apply all maps in order to u = 0 and return u. Four maps are composed while the previous four are
    applied."""
    u = 0.0
    whole = len(a) - len(a) % 4
    for i in range(0, whole, 4):
        first, first_b = a[i] * a[i + 1], a[i + 1] * b[i] + b[i + 1]
        second, second_b = a[i + 2] * a[i + 3], a[i + 3] * b[i + 2] + b[i + 3]
        u = (first * second) * u + (second * first_b + second_b)
    for i in range(whole, len(a)):
        u = a[i] * u + b[i]
    return u


@kernel
def plain_steps(x, y, w, twice_rate):
    for i in range(len(x)):
        x_i = np.float64(x[i])
        w[0] -= twice_rate * x_i * (x_i * w[0] - y[i])


@kernel(fastmath=FAST)
def run_few(x, y, w, twice_rate):
    """Few columns: w is a tuple and stays in registers; x is (n·d,). Returns the new w."""
    d = len(w)
    whole = len(y) - len(y) % 4
    for i in range(0, whole, 4):
        a, b, c, e = i * d, (i + 1) * d, (i + 2) * d, (i + 3) * d
        fa, fb = -np.float64(y[i]), -np.float64(y[i + 1])
        fc, fe = -np.float64(y[i + 2]), -np.float64(y[i + 3])
        ab = ac = ae = bc = be = ce = 0.0
        for j in range(d):
            a_j, b_j = np.float64(x[a + j]), np.float64(x[b + j])
            c_j, e_j = np.float64(x[c + j]), np.float64(x[e + j])
            fa += a_j * w[j]
            fb += b_j * w[j]
            fc += c_j * w[j]
            fe += e_j * w[j]
            ab += a_j * b_j
            ac += a_j * c_j
            ae += a_j * e_j
            bc += b_j * c_j
            be += b_j * e_j
            ce += c_j * e_j
        ab, ac, ae = twice_rate * ab, twice_rate * ac, twice_rate * ae
        bc, be, ce = twice_rate * bc, twice_rate * be, twice_rate * ce
        ae = ce * ac - ae + (be - ce * bc) * ab
        be = ce * bc - be
        ac = bc * ab - ac
        fe = twice_rate * (fe - ce * fc + be * fb + ae * fa)
        fc = twice_rate * (fc - bc * fb + ac * fa)
        fb = twice_rate * (fb - ab * fa)
        fa = twice_rate * fa
        for j in range(d):
            w = with_item(w, j, w[j] - (fa * x[a + j] + fb * x[b + j] + fc * x[c + j] + fe * x[e + j]))
    for i in range(whole, len(y)):
        factor = -np.float64(y[i])
        for j in range(d):
            factor += x[i * d + j] * w[j]
        factor *= twice_rate
        for j in range(d):
            w = with_item(w, j, w[j] - factor * x[i * d + j])
    return w


@kernel(fastmath=FAST)
def run_nd(X, y, w, rate):
    d = len(w)
    if d <= BY_FOUR:
        done = steps_by_four(X, y, w, 2.0 * rate)
    else:
        padded_w = padded(w)
        done = steps_by_two(X.reshape(-1), y, d, padded_w, 2.0 * rate)
        for j in range(d):
            w[j] = padded_w[j]
    for i in range(done, len(y)):
        x = X[i]
        factor = -np.float64(y[i])
        for j in range(d):
            factor += x[j] * w[j]
        factor *= 2.0 * rate
        for j in range(d):
            w[j] -= factor * x[j]


@kernel(fastmath=FAST)
def steps_by_four(X, y, w, twice_rate):
    """Step four rows at a time and prefetch rows 2 KB later. Returns the number of rows used."""
    d = X.shape[1]
    whole = len(y) - len(y) % 4
    x, line = X.reshape(-1), line_of(X)
    ahead = 32 * line + 4 * d
    for i in range(0, whole, 4):
        a, b, c, e = X[i], X[i + 1], X[i + 2], X[i + 3]
        fa, fb = -np.float64(y[i]), -np.float64(y[i + 1])
        fc, fe = -np.float64(y[i + 2]), -np.float64(y[i + 3])
        ab = ac = ae = bc = be = ce = 0.0
        for j in range(d):
            w_j, a_j, b_j = w[j], np.float64(a[j]), np.float64(b[j])
            c_j, e_j = np.float64(c[j]), np.float64(e[j])
            fa += a_j * w_j
            fb += b_j * w_j
            fc += c_j * w_j
            fe += e_j * w_j
            ab += a_j * b_j
            ac += a_j * c_j
            ae += a_j * e_j
            bc += b_j * c_j
            be += b_j * e_j
            ce += c_j * e_j
        for k in range(i * d + ahead, (i + 4) * d + ahead, line):
            prefetch(x, k)
        ab, ac, ae = twice_rate * ab, twice_rate * ac, twice_rate * ae
        bc, be, ce = twice_rate * bc, twice_rate * be, twice_rate * ce
        ae = ce * ac - ae + (be - ce * bc) * ab
        be = ce * bc - be
        ac = bc * ab - ac
        fe = twice_rate * (fe - ce * fc + be * fb + ae * fa)
        fc = twice_rate * (fc - bc * fb + ac * fa)
        fb = twice_rate * (fb - ab * fa)
        fa = twice_rate * fa
        for j in range(d):
            w[j] -= fa * a[j] + fb * b[j] + fc * c[j] + fe * e[j]
    return whole


@kernel(fastmath=FAST)
def steps_by_two(x, y, d, w, twice_rate):
    """Step two rows at a time and prefetch rows 0.5 KB later, evenly in both loops. x is (n·d,). Returns the
    number of rows used."""
    done = len(y) - len(y) % 2
    whole = d - d % LANES
    rest = d - whole
    ahead = 8 * line_of(x) + 2 * d
    for i in range(0, done, 2):
        a, b = i * d, (i + 1) * d
        near, later = a + ahead, b + ahead
        sa = sb = sab = splat(0.0)
        for j in range(0, whole, LANES):
            w_j, a_j, b_j = load(w, j), load(x, a + j), load(x, b + j)
            sa = multiply_add(a_j, w_j, sa)
            sb = multiply_add(b_j, w_j, sb)
            sab = multiply_add(a_j, b_j, sab)
            prefetch(x, near + j)
        if rest:
            w_j, a_j, b_j = load(w, whole), load_part(x, a + whole, rest), load_part(x, b + whole, rest)
            sa = multiply_add(a_j, w_j, sa)
            sb = multiply_add(b_j, w_j, sb)
            sab = multiply_add(a_j, b_j, sab)
        fa = twice_rate * (total(sa) - y[i])
        fb = twice_rate * (total(sb) - y[i + 1] - total(sab) * fa)
        va, vb = splat(-fa), splat(-fb)
        for j in range(0, whole, LANES):
            w_j = multiply_add(load(x, a + j), va, load(w, j))
            store(w, j, multiply_add(load(x, b + j), vb, w_j))
            prefetch(x, later + j)
        if rest:
            w_j = multiply_add(load_part(x, a + whole, rest), va, load(w, whole))
            store(w, whole, multiply_add(load_part(x, b + whole, rest), vb, w_j))
    return done
